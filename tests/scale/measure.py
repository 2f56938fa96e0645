"""Times the lists and reports of a large installation over HTTP, and prints them as Markdown.

Seeds an installation (seed.py), serves it with the real binary, and asks each question nine times;
what is told is the median, the slowest, and what the server computed for one, which is what it takes
on a machine with nothing else to do. Then each is asked once more, and the plans of the statements
that the server logs are printed: how SQLite finds the rows.

    python measure.py [KEYS RECORDS]       a million and ten million, if nothing is said
"""

import json
import os
import re
import sqlite3
import statistics
import sys
import time
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "sdk"))
from installation import Installation  # noqa: E402
from people import Person  # noqa: E402
from seed import DAY_US, DAYS, Seed  # noqa: E402

RUNS = 9
MOST_MS = 200
# An answer of so many bytes takes what it takes to write it.
LARGE = 2_000_000
DAY_S = 86_400


def say(text):
    print(text, file=sys.stderr, flush=True)


class Server:
    """A seeded installation, asked with its admin key, and by its operator."""

    def __init__(self, keys, records):
        self.installation = Installation("5", before_serving=lambda it: self.seed(it, keys, records))
        self.made = self.installation.made
        self.began_s = time.monotonic() - self.seeded_at
        self.cookie = Person.operator(self.made["base_url"]).cookie

    def seed(self, installation, keys, records):
        path = Path(installation.folder.name, "farebox.db")
        began = time.monotonic()
        self.seeded = Seed(path, installation.made, keys, records, say)
        self.seeded.run()
        self.seeded_at = time.monotonic()
        self.size = path.stat().st_size
        say(f"{self.size / 1e9:.1f} GB in {self.seeded_at - began:.0f} s")

    def memory(self):
        """What the server has in memory, in bytes."""
        status = Path(f"/proc/{self.installation.server.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1_024

    def get(self, path):
        base = self.made["base_url"]
        url = (base.removesuffix("/v1") if path.startswith("/api") else base) + path
        headers = {"authorization": f"Bearer {self.made['admin_key']}"}
        if path.startswith("/api/operator/"):
            headers = {"cookie": self.cookie}
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=300) as it:
            return it.read()

    def cpu(self):
        """The time that the server has computed, in milliseconds."""
        stat = Path(f"/proc/{self.installation.server.pid}/stat").read_text()
        parts = stat.rsplit(")", 1)[1].split()
        return (int(parts[11]) + int(parts[12])) * 1_000 / os.sysconf("SC_CLK_TCK")

    def time(self, path):
        """The answer's bytes, how long each of the runs took, and what one computed, in ms."""
        took, computed = [], self.cpu()
        for _ in range(RUNS):
            began = time.perf_counter()
            answer = self.get(path)
            took.append((time.perf_counter() - began) * 1_000)
        return answer, took, (self.cpu() - computed) / RUNS


def questions(server):
    """What is asked: a name and a path."""
    project = server.made["project_id"]
    keys = f"/organization/projects/{project}/api_keys"
    half = f"key_{0:012}{server.seeded.organizations[0][2] // 2 // 2 * 2:012}"
    yield "keys of a project, first page of 100", f"{keys}?limit=100"
    yield "keys of a project, a page in the middle", f"{keys}?limit=100&after={half}"
    yield "keys of a project whose owner has access", f"{keys}?limit=100&owner_project_access=active"
    yield "admin keys", "/organization/admin_api_keys?limit=100"
    yield "projects", "/organization/projects?limit=100"
    yield "people", "/organization/users?limit=100"
    somebody = f"user-{0:012}{server.seeded.organizations[0][4] // 2:012}"
    yield "people, a page in the middle", f"/organization/users?limit=100&after={somebody}"
    log = "/organization/audit_logs?limit=100"
    yield "audit log, newest", log
    yield "audit log, a page in the middle", f"{log}&after=audit_log-{half}"
    yield "audit log of a project", f"{log}&project_ids[]={project}"
    yield "audit log of a kind of event", f"{log}&event_types[]=api_key.created"
    yield "audit log of a resource", f"{log}&resource_ids[]={half}"
    yield "audit log of a person", f"{log}&actor_ids[]={somebody}"
    some = "&".join(f"actor_ids[]=user-{0:012}{number:012}" for number in range(40))
    yield "audit log of forty people", f"{log}&{some}"
    yield "audit log of an address", f"{log}&actor_emails[]=0.7@example.com"
    start = server.seeded.now // DAY_US * DAY_S - 30 * DAY_S
    month = f"/organization/usage/completions?start_time={start}&limit=31"
    yield "usage by day, 31 days", month
    for group in ["model", "project_id", "user_id", "api_key_id"]:
        yield f"… by {group}", f"{month}&group_by[]={group}"
    week = month.replace("limit=31", "limit=7")
    for group in ["user_id", "api_key_id"]:
        yield f"… by {group}, 7 days", f"{week}&group_by[]={group}"
    yield "… by project and model", f"{month}&group_by[]=project_id&group_by[]=model"
    yield "… of a project", f"{month}&project_ids[]={project}"
    yield "… of a model, by project", f"{month}&models[]=model-1&group_by[]=project_id"
    yield "… of a key", f"{month}&api_key_ids[]=key_{0:012}{0:012}"
    yield "… of a person", f"{month}&user_ids[]={somebody}"
    hours = f"/organization/usage/completions?start_time={start}&bucket_width=1h&limit=168"
    yield "usage by hour, 168 hours", hours
    yield "… by model", f"{hours}&group_by[]=model"
    minutes = f"/organization/usage/completions?start_time={start}&bucket_width=1m&limit=1440"
    yield "usage by minute, 1440 minutes", minutes
    half_year = start - (DAYS - 31) * DAY_S
    costs = f"/organization/costs?start_time={half_year}&limit=180"
    yield "costs by day, 180 days", costs
    for group in ["line_item", "project_id"]:
        yield f"… by {group}", f"{costs}&group_by[]={group}"
    yield from questions_of_money(server, start)
    yield from questions_of_operators(server)
    month = f"/organization/costs?start_time={start}&limit=31"
    yield "costs by day and key, 31 days", f"{month}&group_by[]=api_key_id"


def questions_of_money(server, start):
    """What is asked about credit and charges."""
    yield "balance, and what it is made of", "/api/billing/balance"
    movements = "/api/billing/movements?limit=100"
    yield "movements, newest", f"{movements}&order=desc"
    count = server.seeded.purchases_of_largest
    yield "movements, a page in the middle", f"{movements}&after=pay_{0:012}{count // 2:012}"
    yield "movements of a kind", f"{movements}&kind=usage"
    yield "movements of a kind that is rare", f"{movements}&kind=refund"
    yield "movements of a day", f"{movements}&start_time={start}&end_time={start + DAY_S}"
    yield "receipt of a request", f"/api/receipts/{server.seeded.somewhere}"
    payments = "/api/billing/payments?limit=100"
    yield "payments, newest", f"{payments}&order=desc"
    yield "payments, a page in the middle", f"{payments}&after=pay_{0:012}{count // 2:012}"
    yield "recharges, newest", "/api/billing/auto_recharge/recharges?limit=100&order=desc"
    receipts, middle = "/api/billing/receipts", server.seeded.receipt_in_the_middle
    yield "receipts, newest", f"{receipts}?limit=100"
    yield "receipts, a page in the middle", f"{receipts}?limit=100&after={middle}"
    yield "receipt of a purchase", f"{receipts}/{middle}"
    yield "… as PDF", f"{receipts}/{middle}.pdf"
    statements = "/api/billing/statements"
    yield "statements, the latest twelve", statements
    yield "statement of this month", f"{statements}/{month_of(start + 30 * DAY_S)}"
    yield "statement of a month that is over", f"{statements}/{month_of(start - 60 * DAY_S)}"
    yield "… as PDF", f"{statements}/{month_of(start - 60 * DAY_S)}.pdf"
    day = f"start_time={start}&end_time={start + DAY_S}"
    yield "export of a day's requests", f"/api/billing/exports/usage?{day}"
    yield "export of all movements but usage", "/api/billing/exports/movements?start_time=0"


def questions_of_operators(server):
    """What is asked about all organizations."""
    yield "operator: organizations", "/api/operator/organizations?limit=100"
    yield "operator: people", "/api/operator/users?limit=100"
    yield "operator: payments of all, newest", "/api/operator/payments?limit=100&order=desc"
    yield "operator: the ledger at a glance", "/api/operator/ledger"
    largest = f"/api/operator/organizations/{server.made['organization_id']}"
    yield "operator: an organization", largest
    yield "operator: its movements, newest", f"{largest}/movements?limit=100&order=desc"


def month_of(second):
    return time.strftime("%Y-%m", time.gmtime(second))


def plans(server, path):
    """How SQLite finds what the server reads for an answer."""
    log = Path(server.installation.log.name)
    begun = len(log.read_text())
    server.get(path)
    lines = log.read_text()[begun:].splitlines()
    statements = {json.loads(line)["sql"] for line in lines if '"sql"' in line}
    database = sqlite3.connect(Path(server.installation.folder.name, "farebox.db"))
    for sql in sorted(statements):
        if any(f"FROM {table}" in sql for table in ["change_log", "counters", "jobs"]):
            continue
        sql = re.sub(r"\$(\d+)", r"?\1", sql)
        count = max([int(number) for number in re.findall(r"\?(\d+)", sql)], default=0)
        rows = database.execute(f"EXPLAIN QUERY PLAN {sql}", [""] * count)
        yield ", ".join(row[3] for row in rows)


def main():
    keys, records = (int(text) for text in sys.argv[1:3]) if sys.argv[2:] else (10**6, 10**7)
    os.environ |= {"FAREBOX_LOG__LEVEL": "info,farebox_store=trace", "FAREBOX_LOG__FORMAT": "json"}
    server = Server(keys, records)
    try:
        asked = list(questions(server))
        print(f"{keys:,} keys and {records:,} usage records: {server.size / 1e9:.1f} GB. The server")
        print(f"answers {server.began_s:.1f} s after its start, and has {server.memory() / 1e6:.0f} MB.\n")
        print("| list or report | median | slowest | computing | answer |\n|---|---|---|---|---|")
        slow = []
        for name, path in asked:
            answer, took, computed = server.time(path)
            median = statistics.median(took)
            times = f"{median:.0f} ms | {max(took):.0f} ms | {computed:.0f} ms"
            print(f"| {name} | {times} | {len(answer) // 1_000:,} kB |")
            sys.stdout.flush()
            slow += [name] if median > MOST_MS and len(answer) < LARGE else []
        print("\nThe plans of what each reads, where they are not among those before:\n")
        seen = set(plans(server, "/organization/data_retention"))
        print("- who calls, for each: " + "; ".join(sorted(seen)))
        for name, path in asked:
            fresh = set(plans(server, path)) - seen
            seen |= fresh
            print(f"- {name}: " + ("; ".join(sorted(fresh)) or "as before"))
    finally:
        server.installation.close()
    if slow:
        say(f"above {MOST_MS} ms: {', '.join(slow)}")
    sys.exit(bool(slow))


if __name__ == "__main__":
    main()
