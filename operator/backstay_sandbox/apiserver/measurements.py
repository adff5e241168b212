"""What the server counts of itself, and /metrics in the Prometheus text form.

The names are the real server's, where it has them. Labels are bounded: verbs, codes and resources that exist.
"""

from collections import Counter

from backstay.objectstore import StorageKey

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)


class Measurements:
    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._below: Counter[tuple[str, float]] = Counter()
        self._seconds: Counter[str] = Counter()
        self._count: Counter[str] = Counter()
        self.watches = 0
        """Watches open now."""
        self.watch_events = 0
        """Events sent to watches since the start."""
        self.watches_cut = 0
        """Watches ended because their reader was too slow."""

    def request(self, *, verb: str, resource: str, code: int, seconds: float) -> None:
        """Counts one finished request."""
        self._requests[(verb, resource, code)] += 1
        self._count[verb] += 1
        self._seconds[verb] += seconds  # type: ignore[assignment]  # a Counter of floats is a sum per verb
        for bound in BUCKETS_S:
            if seconds <= bound:
                self._below[(verb, bound)] += 1

    def text(self, *, objects: dict[StorageKey, int]) -> str:
        """The exposition; `objects` is the number of objects per collection."""
        lines = ["# TYPE apiserver_request_total counter"]
        for (verb, resource, code), count in sorted(self._requests.items()):
            labels = f'verb="{verb}",resource="{resource}",code="{code}"'
            lines.append(f"apiserver_request_total{{{labels}}} {count}")
        lines.append("# TYPE apiserver_request_duration_seconds histogram")
        for verb in sorted(self._count):
            for bound in BUCKETS_S:
                count = self._below[(verb, bound)]
                lines.append(
                    f'apiserver_request_duration_seconds_bucket{{verb="{verb}",le="{bound}"}} {count}'
                )
            total = self._count[verb]
            lines.append(f'apiserver_request_duration_seconds_bucket{{verb="{verb}",le="+Inf"}} {total}')
            lines.append(f'apiserver_request_duration_seconds_sum{{verb="{verb}"}} {self._seconds[verb]:.6f}')
            lines.append(f'apiserver_request_duration_seconds_count{{verb="{verb}"}} {total}')
        lines.append("# TYPE apiserver_storage_objects gauge")
        for (group, plural), count in sorted(objects.items()):
            name = f"{plural}.{group}" if group else plural
            lines.append(f'apiserver_storage_objects{{resource="{name}"}} {count}')
        lines += [
            "# TYPE apiserver_longrunning_requests gauge",
            f'apiserver_longrunning_requests{{verb="WATCH"}} {self.watches}',
            "# TYPE apiserver_watch_events_total counter",
            f"apiserver_watch_events_total {self.watch_events}",
            "# TYPE apiserver_terminated_watchers_total counter",
            f"apiserver_terminated_watchers_total {self.watches_cut}",
        ]
        return "\n".join(lines) + "\n"
