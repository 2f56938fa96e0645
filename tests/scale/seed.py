"""Fills an installation's SQLite file with a million keys and ten million usage records.

As an installation that has served a thousand organizations for half a year: the largest, which is
the one that `farebox setup` made, has a share of about one in seven of everything, and every next
one less (shares fall as 1/n); within each, so do the requests of keys. What is written is what the
server would have written, but for the transfers and the chain of hashes, which no list reads.
"""

import random
import secrets
import sqlite3
import time

ORGANIZATIONS = 1_000
DAYS = 180
DAY_US = 86_400_000_000
MODELS = 8
SUMS = [
    "fresh_input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "audio_input_tokens",
    "audio_output_tokens",
    "image_tokens",
    "cost_nusd",
    "input_cost_nusd",
    "cached_input_cost_nusd",
    "output_cost_nusd",
    "request_cost_nusd",
    "upstream_cost_nusd",
]


def shares(count):
    """How large each organization is, the first being the largest; the sum is 1."""
    weights = [1 / (1 + number) for number in range(count)]
    return [weight / sum(weights) for weight in weights]


class Seed:
    def __init__(self, path, made, keys, records, say):
        self.made, self.keys, self.records, self.say = made, keys, records, say
        self.database = sqlite3.connect(path, isolation_level=None)
        # Nothing here needs to survive a crash.
        for pragma in ["journal_mode = OFF", "synchronous = OFF", "temp_store = MEMORY", "cache_size = -400000"]:
            self.database.execute(f"PRAGMA {pragma}")
        self.now = time.time_ns() // 1_000
        self.start = (self.now - DAYS * DAY_US) // DAY_US * DAY_US + DAY_US
        self.spread = (self.now - self.start) / records

    def run(self):
        self.database.execute("BEGIN")
        self.accounts_of_organizations()
        self.usage()
        self.sums()
        self.audit_log()
        self.database.execute("COMMIT")
        self.database.close()

    def insert(self, what, sql, rows):
        self.say(f"{what}…")
        self.database.executemany(sql, rows)

    def accounts_of_organizations(self):
        """Organizations with their people, projects and keys; numbered as they are filled."""
        self.organizations = []
        first = 0
        for number, share in enumerate(shares(ORGANIZATIONS)):
            keys = max(2, round(share * self.keys))
            projects, people = max(1, min(100, keys // 400)), max(1, min(200, keys // 60))
            named = self.made["organization_id"] if number == 0 else f"org-{number:024}"
            self.organizations.append((named, first, keys, projects, people, share))
            first += keys
        others = self.organizations[1:]
        insert = self.insert
        insert("organizations", "INSERT INTO organizations (id, name, created_at_us) VALUES (?, ?, ?)",
               ((named, named, self.start) for named, *_ in others))
        insert("people", "INSERT INTO users (id, email, name, created_at_us) VALUES (?, ?, 'Somebody', ?)",
               ((self.person(o, n), f"{o}.{n}@example.com", self.start + n)
                for o, (*_, people, _share) in enumerate(self.organizations) for n in range(people)))
        insert("members", "INSERT INTO members (organization_id, user_id, role, added_at_us)"
               " VALUES (?, ?, 'owner', ?)",
               ((named, self.person(o, n), self.start + n)
                for o, (named, *_, people, _share) in enumerate(self.organizations)
                for n in range(people)))
        insert("projects", "INSERT INTO projects (id, organization_id, name, created_at_us)"
               " VALUES (?, ?, ?, ?)",
               ((self.project(o, n), named, f"Project {n}", self.start + n)
                for o, (named, _, _, projects, *_) in enumerate(self.organizations)
                for n in range(projects) if (o, n) != (0, 0)))
        insert("keys", "INSERT INTO keys (id, organization_id, project_id, class, user_id, name,"
               " digest, redacted_value, created_at_us)"
               " VALUES (?, ?, ?, 'project', ?, 'key', ?, 'sk-proj-fare...x7Qp', ?)", self.key_rows())

    def person(self, organization, number):
        return f"user-{organization:012}{number:012}"

    def project(self, organization, number):
        if (organization, number) == (0, 0):
            return self.made["project_id"]
        return f"proj_{organization:012}{number:012}"

    def project_of(self, organization, key):
        """Every other key is in the first project: one list that is long."""
        projects = self.organizations[organization][3]
        return self.project(organization, key % projects if key % 2 else 0)

    def key_rows(self):
        for o, (named, _, keys, _, people, _) in enumerate(self.organizations):
            for key in range(keys):
                yield (f"key_{o:012}{key:012}", named, self.project_of(o, key),
                       self.person(o, key % people), secrets.token_hex(32), self.start + key)

    def usage(self):
        """The records, in the order in which they would have come."""
        slots = [o for o, it in enumerate(self.organizations) for _ in range(round(it[5] * 20_000))]
        zeros = (0,) * 3
        draw = random.Random(7)

        def rows():
            for number in range(self.records):
                o = slots[int(draw.random() * len(slots))]
                named, _, keys, *_ = self.organizations[o]
                key = int(keys ** draw.random()) - 1
                at = self.start + int(number * self.spread)
                tokens = 200 + number % 1_800
                cost = tokens * 150
                yield (named, f"req_{at // 1_000:012x}{number:020x}", self.project_of(o, key),
                       f"key_{o:012}{key:012}", f"model-{key % MODELS}", at, at + 900_000,
                       tokens, tokens // 4, 0, tokens // 3, 0, *zeros, cost, cost, cost // 2, 0,
                       cost - cost // 2, 0, 0, cost // 3)

        columns = ["organization_id", "id", "project_id", "key_id", "model", "admitted_at_us",
                   "ended_at_us", *SUMS[:8], "held_nusd", *SUMS[8:13], "overrun_nusd", SUMS[13]]
        places = ", ".join("?" * len(columns))
        self.insert(
            f"{self.records:,} usage records",
            f"INSERT INTO usage_records ({', '.join(columns)}, upstream_id, endpoint, price_id,"
            f" flags, chain, batch) VALUES ({places}, 'mock', 'chat', 'price_0', 0, 'node:main', 0)",
            rows(),
        )

    def sums(self):
        """As every batch folds its records."""
        added = ", ".join(f"SUM({column})" for column in SUMS)
        for table, source, place, counted in [
            ("usage_hours", "usage_records", "organization_id, admitted_at_us / 3600000000 *"
             " 3600000000, project_id, key_id, model, endpoint", "COUNT(*)"),
            ("usage_days", "usage_hours", f"organization_id, hour_at_us / {DAY_US} * {DAY_US},"
             " project_id, model, endpoint", "SUM(requests)"),
            ("usage_user_days", "usage_hours JOIN (SELECT id, user_id FROM keys) ON id = key_id",
             f"organization_id, hour_at_us / {DAY_US} * {DAY_US}, user_id, project_id, model,"
             " endpoint", "SUM(requests)"),
        ]:
            self.say(f"{table}…")
            groups = ", ".join(map(str, range(1, place.count(",") + 2)))
            sql = (
                f"INSERT INTO {table} SELECT {place}, {counted}, {added} FROM {source}"
                f" WHERE organization_id = ? GROUP BY {groups}"
            )
            # One after the other, so that no sorter outgrows the memory.
            self.database.executemany(sql, ((named,) for named, *_ in self.organizations))

    def audit_log(self):
        """An entry for each key."""
        self.say("the audit log…")
        self.database.execute(
            "INSERT INTO audit_log (organization_id, id, at_us, kind, resource_id, project_id,"
            " detail, user_id, email) SELECT k.organization_id, 'audit_log-' || k.id, k.created_at_us,"
            " 'api_key.created', k.id, k.project_id, '{\"id\":\"' || k.id || '\"}', k.user_id, u.email"
            " FROM keys k JOIN users u ON u.id = k.user_id WHERE k.id LIKE 'key_0%'"
        )
