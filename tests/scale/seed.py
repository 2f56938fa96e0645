"""Fills an installation's SQLite file with a million keys and ten million usage records.

As an installation that has served a thousand organizations for half a year: the largest, which is
the one that `farebox setup` made, has a share of about one in seven of everything, and every next
one less (shares fall as 1/n); within each, so do the requests of keys. What is written is what the
server would have written: also a transfer for each charge, and a hundred thousand purchases that pay
for them; but not the hashes of the chain, which no list reads.
"""

import json
import random
import secrets
import sqlite3
import time

ORGANIZATIONS = 1_000
DAYS = 180
DAY_US = 86_400_000_000
MODELS = 8
# Purchases of all organizations together, for each million of usage records.
PURCHASES = 10_000
# Records that were committed together.
BATCH = 20
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
        self.money()
        self.papers()
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
        self.database.execute("UPDATE organizations SET created_at_us = ?", (self.start,))
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
                       cost - cost // 2, 0, 0, cost // 3, number // BATCH + 1)

        columns = ["organization_id", "id", "project_id", "key_id", "model", "admitted_at_us",
                   "ended_at_us", *SUMS[:8], "held_nusd", *SUMS[8:13], "overrun_nusd", SUMS[13], "batch"]
        places = ", ".join("?" * len(columns))
        self.insert(
            f"{self.records:,} usage records",
            f"INSERT INTO usage_records ({', '.join(columns)}, upstream_id, endpoint, price_id,"
            f" markup_bp, flags, chain) VALUES ({places}, 'mock', 'chat', 'price_0', 0, 0, 'node:main')",
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
        self.database.execute(
            f"INSERT INTO upstream_days SELECT 'node:main', day_at_us, 'mock', model, SUM(requests),"
            f" {added} FROM usage_days GROUP BY day_at_us, model"
        )

    def money(self):
        """Purchases that pay for all of it, a transfer for each charge, and batches of both."""
        self.database.execute(
            "INSERT INTO prices VALUES ('price_0', 'model-0', 1,"
            " '150000 75000 150000 0 0 150000 0 150000 0', '0 0 0 0 0 0 0 0 0', 'operator', 1)"
        )
        self.insert("batches", "INSERT INTO batches SELECT 'node:main', ?, ?, ?, 0, ?, '', ''",
                    ((batch + 1, BATCH, BATCH, self.start + int(batch * BATCH * self.spread))
                     for batch in range((self.records + BATCH - 1) // BATCH)))
        paid = list(self.purchases())
        self.purchases_of_largest = paid[0][3]
        sql = "SELECT id FROM usage_records WHERE organization_id = ? LIMIT 1 OFFSET 100"
        self.somewhere = self.database.execute(sql, (paid[0][0],)).fetchone()[0]
        self.insert("wallets", "INSERT INTO accounts VALUES ('wallet:' || ?, 0, ?, ?, 0)"
                    " ON CONFLICT (id) DO UPDATE SET debits_nusd = excluded.debits_nusd,"
                    " credits_nusd = credits_nusd + excluded.credits_nusd",
                    ((named, spent, each * count) for named, spent, each, count in paid))
        # What was spent was taken from all purchases but the last three.
        self.insert("watermarks", "INSERT OR REPLACE INTO credit_watermarks VALUES (?, ?)",
                    ((named, each * (count - 3)) for named, _, each, count in paid))
        moved = "organization_id, id, debit_account, credit_account, amount_nusd, code, request_id," \
            " reason, actor, at_us, chain, batch, wallet_debits_nusd, wallet_credits_nusd"
        self.purchases_made = bought = list(self.bought(paid))
        self.insert(f"{len(bought):,} purchases", f"INSERT INTO transfers ({moved}) VALUES (?, ?,"
                    " 'payments:test', ?, ?, 'purchase', NULL, 'Credit', 'farebox', ?, 'control', ?, 0, ?)",
                    ((named, id, f"wallet:{named}", each, at, place + 2, each * (number + 1))
                     for place, (named, id, number, each, _, at) in enumerate(bought)))
        self.insert("credit lots", "INSERT INTO credit_lots VALUES (?, ?, 'purchase', ?, ?, NULL, ?)",
                    ((named, id, each, each if left else 0, at)
                     for named, id, _, each, left, at in bought))
        self.say("a transfer for each charge…")
        self.database.executemany(
            f"INSERT INTO transfers ({moved}) SELECT organization_id, id, 'wallet:' || organization_id,"
            " 'revenue:main', cost_nusd, 'usage', id, '', '', ended_at_us, chain, batch,"
            " SUM(cost_nusd) OVER (ORDER BY id), ? FROM usage_records WHERE organization_id = ?",
            ((each * count, named) for named, _, each, count in paid),
        )

    def papers(self):
        """Of each purchase its payment, of which every third was a recharge, and its receipt."""
        buyer, seller = ["Acme", "", "", "", ""], ["Fare & Co. KG", "", "", "", ""]
        content = {"seller": seller, "buyer": buyer, "tax_percent": "0",
                   "paid_with": ["visa", "4242"], "reason": None}
        rows = [(named, id, each, at, place) for place, (named, id, _, each, _, at)
                in enumerate(sorted(self.purchases_made, key=lambda it: it[5]))]
        kind = ["checkout", "checkout", "recharge"]
        self.insert("payments", "INSERT INTO payments (id, organization_id, kind, state, amount_nusd,"
                    " tax_nusd, tax_percent, currency, provider, saves_method, card_brand, card_last4,"
                    " created_at_us, looked_at_us, ended_at_us)"
                    " VALUES (?, ?, ?, 'succeeded', ?, 0, '0', 'usd', 'test', 0, 'visa', '4242', ?, ?, ?)",
                    ((id, named, kind[place % 3], each, at, at, at)
                     for named, id, each, at, place in rows))
        self.insert("recharges", "INSERT INTO recharges VALUES (?, ?, ?, 0, 'succeeded', ?, ?, ?)",
                    ((id, named, each, at, at, at)
                     for named, id, each, at, place in rows if place % 3 == 2))
        self.insert("receipts", "INSERT INTO receipts VALUES (?, ?, 'receipt', 2026, ?, ?, ?, NULL, ?,"
                    " ?, 0, ?)",
                    ((named, f"2026-{place + 1:06}", place + 1, id, id, at, each,
                      json.dumps(content | {"lines": [["Prepaid credit", each]]}))
                     for named, id, each, at, place in rows))
        numbers = [place + 1 for named, *_, place in rows if named == self.made["organization_id"]]
        self.receipt_in_the_middle = f"2026-{numbers[len(numbers) // 2]:06}"

    def purchases(self):
        """Of each organization: what it spent, what each of its purchases was, and how many."""
        sql = "SELECT COALESCE(SUM(cost_nusd), 0) FROM usage_days WHERE organization_id = ?"
        for named, *_, share in self.organizations:
            spent = self.database.execute(sql, (named,)).fetchone()[0]
            count = 3 + round(share * PURCHASES * self.records / 1_000_000)
            yield named, spent, spent // count + 1, count

    def bought(self, paid):
        """Each purchase, spread over the time: whether anything is left of it, and when it was."""
        for o, (named, _, each, count) in enumerate(paid):
            for number in range(count):
                at = self.start + int(number * (self.now - self.start) / count)
                yield named, f"pay_{o:012}{number:012}", number, each, number >= count - 3, at

    def audit_log(self):
        """An entry for each key."""
        self.say("the audit log…")
        self.database.execute(
            "INSERT INTO audit_log (organization_id, id, at_us, kind, resource_id, project_id,"
            " detail, user_id, email) SELECT k.organization_id, 'audit_log-' || k.id, k.created_at_us,"
            " 'api_key.created', k.id, k.project_id, '{\"id\":\"' || k.id || '\"}', k.user_id, u.email"
            " FROM keys k JOIN users u ON u.id = k.user_id WHERE k.id LIKE 'key_0%'"
        )
