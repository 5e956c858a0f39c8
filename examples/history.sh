#!/bin/sh
# Prints the visits of a page in each of the last 24 days, by curl and jq:
#   examples/history.sh http://localhost:8000 home Europe/Berlin
set -eu
if [ $# -lt 2 ]; then
  echo "history.sh: want the address of a service, a page and, if it is not UTC, a time zone" >&2
  exit 1
fi
page=$(jq -rn --arg page "$2" '$page | @uri') # one part of the path, whatever is in its name
answer=$(curl -sS --fail-with-body --max-time 10 --get --data step=day --data-urlencode "tz=${3:-UTC}" "${1%/}/visits/$page/history") || {
  printf 'history.sh: %s\n' "$answer" >&2
  exit 1
}
printf '%s\n' "$answer" | jq -r '
  (.buckets[] | [.start[:10], .visits]), ["sum", .sum], ["before", .before_history], ["total", .total] | @tsv'
