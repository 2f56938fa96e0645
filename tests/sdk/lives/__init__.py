"""What the API has beyond OpenAI's, used as people and programs do: each function is one life of one
part, and calls every operation of it. `LIVES` has them all."""

from . import account, alerts, limits, logs, money, operator

LIVES = [
    account.signs_up,
    account.looks_after_it,
    account.has_a_second_factor,
    account.is_invited,
    limits.keys,
    limits.budgets,
    limits.rate_limits,
    limits.admin_key,
    limits.costs,
    logs.requests,
    money.buys,
    money.saves_cards,
    money.recharges,
    money.reads_papers,
    money.redeems,
    alerts.settings,
    alerts.webhooks,
    operator.organizations,
    operator.users,
    operator.prices,
    operator.markups,
    operator.upstreams,
    operator.messages,
    operator.books,
    operator.payments,
    operator.signup,
]
