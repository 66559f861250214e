// Command hello is the smallest application that shows a cluster works: it
// answers with its name, resolves a name on request and counts for Prometheus.
package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"sync/atomic"
)

func main() {
	name := os.Getenv("NAME")
	if len(os.Args) > 1 {
		// So that there is something to run inside a container without a shell.
		fmt.Println(name)
		return
	}
	log.Println("started as", name)
	var requests atomic.Int64
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		fmt.Fprintln(w, name)
	})
	http.HandleFunc("/ready", func(http.ResponseWriter, *http.Request) {})
	http.HandleFunc("/resolve", func(w http.ResponseWriter, r *http.Request) {
		addresses, err := net.DefaultResolver.LookupHost(r.Context(), r.URL.Query().Get("name"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		fmt.Fprintln(w, addresses)
	})
	http.HandleFunc("/metrics", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "# TYPE hello_requests_total counter\nhello_requests_total %d\n", requests.Load())
	})
	log.Fatal(http.ListenAndServe(":8080", nil))
}
