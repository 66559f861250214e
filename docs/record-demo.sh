#!/bin/sh
# Draws docs/demo.svg from docs/demo.txt, the plain output of a demo.
#
#   docs/record-demo.sh            draw the picture anew
#   docs/record-demo.sh --check    fail where the committed picture is another one
#   docs/record-demo.sh --record   play the demo (needs what the demo needs), keep its output, then draw
#
# Nothing but sh and awk, so that the picture can be made and checked everywhere.
set -eu
cd "$(dirname "$0")"
# Bytes, not characters: every awk then measures the same.
LC_ALL=C
export LC_ALL

draw() {
  awk '
    function escaped(text) {
      gsub(/&/, "\\&amp;", text); gsub(/</, "\\&lt;", text); gsub(/>/, "\\&gt;", text)
      return text
    }
    # What kind of line it is decides its color.
    function color(text) {
      if (text ~ /^all as promised|Pass,|Counted$/) return "#7ee787"
      if (text ~ /^NOT AS PROMISED|Fail,|RollingBack:/) return "#ff7b72"
      if (text ~ /^ +[0-9.]+ s  weight /) return "#79c0ff"
      if (text ~ /^ +[0-9.]+ s  service /) return "#a5d6ff"
      if (text ~ /^ +[0-9.]+ s  decision /) return "#d2a8ff"
      if (text ~ /^ +[0-9.]+ s  (phase|verdict) /) return "#e6edf3"
      if (text ~ /^ +[0-9.]+ s  /) return "#8b949e"
      if (text ~ /^releasing /) return "#ffa657"
      return "#c9d1d9"
    }
    # The time and the first word stay in their columns by spaces, which the picture keeps.
    { lines[NR] = $0; if (length($0) > widest) widest = length($0) }
    END {
      width = int(widest * 7.23) + 40; height = NR * 17 + 70
      printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" role=\"img\" ", width, height, width, height
      print "aria-label=\"The output of cargo xtask demo; the same text is in demo.txt\">"
      print "<!-- Drawn by docs/record-demo.sh from docs/demo.txt. -->"
      print "<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#0d1117\"/>"
      print "<g font-family=\"ui-monospace,SFMono-Regular,Menlo,Consolas,monospace\" font-size=\"12\" xml:space=\"preserve\">"
      print "<text x=\"20\" y=\"30\" fill=\"#8b949e\">$ cargo xtask demo --yes</text>"
      for (i = 1; i <= NR; i++)
        if (lines[i] != "")
          printf "<text x=\"20\" y=\"%d\" fill=\"%s\">%s</text>\n", 37 + i * 17, color(lines[i]), escaped(lines[i])
      print "</g>"
      print "</svg>"
    }
  ' demo.txt
}

case "${1:-}" in
  "") draw >demo.svg ;;
  --check)
    if draw | cmp -s - demo.svg; then
      echo "docs/demo.svg is what docs/demo.txt gives"
    else
      echo "docs/demo.svg is not what docs/demo.txt gives: run docs/record-demo.sh" >&2
      exit 1
    fi
    ;;
  --record)
    # A demo that fell short is no picture to show, so it replaces nothing.
    new="$(mktemp)"
    trap 'rm -f "$new"' EXIT
    (cd .. && cargo xtask demo --yes) >"$new"
    cat "$new" >demo.txt
    draw >demo.svg
    ;;
  *)
    echo "usage: docs/record-demo.sh [--check | --record]" >&2
    exit 2
    ;;
esac
