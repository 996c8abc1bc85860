// Send a span with the OpenTelemetry SDK, over OTLP: {"protocol": "grpc" | "proto" | "json",
// "endpoint", "headers", "compression": "none" | "gzip", "name"} -> how many left.

import { readFileSync } from "node:fs";

import { Metadata } from "@grpc/grpc-js";
import { OTLPTraceExporter as GrpcExporter } from "@opentelemetry/exporter-trace-otlp-grpc";
import { OTLPTraceExporter as JsonExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { OTLPTraceExporter as ProtoExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, NodeTracerProvider } from "@opentelemetry/sdk-trace-node";

const { protocol, endpoint, headers, compression, name } = JSON.parse(readFileSync(0));

function exporter() {
  const options = { url: endpoint, compression };
  if (protocol === "grpc") {
    const metadata = new Metadata();
    Object.entries(headers).forEach(([key, value]) => metadata.set(key, value));
    return new GrpcExporter({ ...options, metadata });
  }
  const Exporter = protocol === "json" ? JsonExporter : ProtoExporter;
  return new Exporter({ ...options, headers });
}

const provider = new NodeTracerProvider({
  resource: resourceFromAttributes({ "service.name": "javascript-app" }),
  spanProcessors: [new BatchSpanProcessor(exporter())],
});
const span = provider.getTracer("roost-tests").startSpan(name);
span.setAttribute("input.value", "Grüße");
span.addEvent("seen", { n: 1 });
span.end();
// Rejects where the exporter failed.
await provider.forceFlush();
await provider.shutdown();
console.log(JSON.stringify({ sent: 1 }));
