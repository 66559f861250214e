module teal.dev/bed/istio-crds

go 1.26

require istio.io/api v1.31.1
