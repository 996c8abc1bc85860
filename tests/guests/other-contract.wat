;; A provider for a contract that this host does not know: the next minor version.
(component
  (core module $code
    (func (export "describe") (result i32)
      i32.const 0))
  (core instance $code (instantiate $code))
  (func $describe (result u32)
    (canon lift (core func $code "describe")))
  (instance $provider (export "describe" (func $describe)))
  (export "roost:telemetry/telemetry-provider@0.2.0" (instance $provider))
  (export "roost:telemetry/trace-store@0.2.0" (instance $provider)))
