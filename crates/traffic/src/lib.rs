//! Reading and editing Istio's VirtualServices and DestinationRules as JSON. Pure.
