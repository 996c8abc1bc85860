// Makes the component: node build.mjs FILE
import { writeFile } from 'node:fs/promises';

import { componentize } from '@bytecodealliance/componentize-js';

const { component } = await componentize({
  sourcePath: 'src/provider.js',
  witPath: 'wit',
  worldName: 'provider',
});
await writeFile(process.argv[2], component);
