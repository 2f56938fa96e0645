//! Random lives of many requests, beside a model in memory: the database agrees after each flush.
//!
//! The model is the domain's own: a book per organization admits, a journal takes the transfers.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::admission::{Ask, Book, DefaultRates, Unknown, Wallet};
use domain::budget::Scope;
use domain::hold::Hold;
use domain::id::{BudgetId, ProjectId};
use domain::ledger::{Account, Journal, Transfer, TransferCode};
use domain::money::Nusd;
use domain::time::{AtUs, MonoUs};
use domain::usage::{Reported, Usage};
use domain::window::Window;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use store::{Ledger, SettleTicket, Settlement, Store, budgets};
use testkit::TestDatabase;

use crate::fixture::{Customer, assert_verified, rows, serve, settlement};

const ORGANIZATIONS: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    Grant {
        to: usize,
        amount: i64,
        again: bool,
    },
    Hold {
        by: usize,
        amount: i64,
    },
    Checkpoint {
        which: prop::sample::Index,
        tokens: u64,
    },
    Extend {
        which: prop::sample::Index,
        more: i64,
    },
    Settle {
        which: prop::sample::Index,
        input: u64,
        cached: u64,
        output: u64,
    },
    SettleAgain {
        which: prop::sample::Index,
    },
    Release {
        which: prop::sample::Index,
    },
    Flush,
    Restart {
        politely: bool,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let organization = 0..ORGANIZATIONS;
    let which = any::<prop::sample::Index>;
    let tokens = 0..60_u64;
    let step = prop_oneof![
        3 => (organization.clone(), 1..500_i64, any::<bool>())
            .prop_map(|(to, amount, again)| Step::Grant { to, amount, again }),
        30 => (organization, 0..120_i64).prop_map(|(by, amount)| Step::Hold { by, amount }),
        10 => (which(), tokens.clone())
            .prop_map(|(which, tokens)| Step::Checkpoint { which, tokens }),
        8 => (which(), 1..60_i64).prop_map(|(which, more)| Step::Extend { which, more }),
        20 => (which(), tokens.clone(), tokens.clone(), tokens)
            .prop_map(|(which, input, cached, output)| {
                Step::Settle { which, input, cached, output }
            }),
        2 => which().prop_map(|which| Step::SettleAgain { which }),
        8 => which().prop_map(|which| Step::Release { which }),
        4 => Just(Step::Flush),
        1 => any::<bool>().prop_map(|politely| Step::Restart { politely }),
    ];
    prop::collection::vec(step, 1..400)
}

/// A hold that is open, in memory and, once flushed, in the database.
struct Open {
    by: usize,
    hold: Arc<Hold>,
    seen_tokens: u64,
}

fn book() -> Book {
    let rates = DefaultRates {
        requests_per_minute: 1_000_000_000,
        tokens_per_minute: 1_000_000_000,
    };
    Book::new(Wallet::default(), rates)
}

struct Model {
    database: TestDatabase,
    store: Option<Store>,
    customers: Vec<Customer>,
    books: Vec<Book>,
    journal: Journal,
    open: Vec<Open>,
    settled: Vec<Settlement>,
    tickets: Vec<SettleTicket>,
    last_grant: Option<(usize, String, i64)>,
}

impl Model {
    async fn new(database: &TestDatabase) -> Self {
        let store = serve(database).await;
        let mut customers = Vec::new();
        for _ in 0..ORGANIZATIONS {
            customers.push(Customer::new(&store, 0).await);
        }
        Model {
            database: database.clone(),
            store: Some(store),
            customers,
            books: (0..ORGANIZATIONS).map(|_| book()).collect(),
            journal: Journal::default(),
            open: Vec::new(),
            settled: Vec::new(),
            tickets: Vec::new(),
            last_grant: None,
        }
    }

    fn store(&self) -> &Store {
        self.store.as_ref().expect("it is open between the steps")
    }

    fn ledger(&self) -> Ledger {
        self.store().ledger()
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Grant { to, amount, again } => self.grant(to, amount, again).await,
            Step::Hold { by, amount } => self.hold(by, amount),
            Step::Checkpoint { which, tokens } if !self.open.is_empty() => {
                let index = which.index(self.open.len());
                let id = self.open[index].hold.id;
                self.ledger().checkpoint(id, tokens, tokens);
                let seen = &mut self.open[index].seen_tokens;
                *seen = tokens.max(*seen);
            }
            Step::Extend { which, more } if !self.open.is_empty() => {
                let index = which.index(self.open.len());
                self.extend(index, Nusd::new(more));
            }
            Step::Settle {
                which,
                input,
                cached,
                output,
            } if !self.open.is_empty() => {
                let open = self.open.swap_remove(which.index(self.open.len()));
                let reported = Reported {
                    input_tokens: input,
                    cached_input_tokens: cached,
                    output_tokens: output,
                    ..Reported::default()
                };
                self.settle(&open, Usage::from_reported(&reported));
            }
            Step::SettleAgain { which } if !self.settled.is_empty() => {
                let again = which.get(&self.settled).clone();
                self.tickets.push(self.ledger().settle(again));
            }
            Step::Release { which } if !self.open.is_empty() => {
                let open = self.open.swap_remove(which.index(self.open.len()));
                self.ledger().release(open.hold.id);
                self.end(&open, Nusd::ZERO);
            }
            Step::Flush => self.flush().await,
            Step::Restart { politely } => self.restart(politely).await,
            _ => {}
        }
    }

    async fn grant(&mut self, to: usize, amount: i64, again: bool) {
        let (to, id, amount) = match self.last_grant.clone() {
            Some(last) if again => last,
            _ => (to, format!("grant-{}", crate::fixture::clock()().0), amount),
        };
        let customer = &self.customers[to];
        customer
            .grant_as(self.store(), &id, amount)
            .await
            .expect("a grant");
        let wallet = Account::Wallet(customer.organization.clone());
        self.post(&id, to, (Account::Grants, wallet.clone()), amount);
        self.books[to].set_credits(self.journal.sides(&wallet).credits);
        self.last_grant = Some((to, id, amount));
    }

    fn hold(&mut self, by: usize, amount: i64) {
        let hold = self.customers[by].hold(amount);
        let ask = Ask {
            id: hold.id,
            project: hold.project.clone(),
            key: hold.key.clone(),
            model: Arc::clone(&hold.model),
            amount: hold.amount,
            tokens: 1,
        };
        if self.books[by]
            .admit(&ask, hold.admitted_at, MonoUs(0))
            .is_ok()
        {
            let _ = self.ledger().hold(Arc::clone(&hold));
            self.open.push(Open {
                by,
                hold,
                seen_tokens: 0,
            });
        }
    }

    fn extend(&mut self, index: usize, more: Nusd) {
        let open = &mut self.open[index];
        let id = open.hold.id;
        if let Some(more) = self.books[open.by].extend(id, Nusd::new(1), more) {
            Arc::make_mut(&mut open.hold).amount += more;
            let _ = self.ledger().extend(id, more);
        }
    }

    fn settle(&mut self, open: &Open, usage: Usage) {
        let settlement = settlement(&open.hold, usage);
        self.tickets.push(self.ledger().settle(settlement.clone()));
        self.settled.push(settlement);
        self.charge(open, usage, "up");
    }

    /// Books what a usage costs, worked out here from the prices: 1, 2 and 3 nUSD for input,
    /// output and the request; a tenth of it, rounded up, for the operator.
    fn charge(&mut self, open: &Open, usage: Usage, upstream: &str) {
        let tokens = |count: u64| i64::try_from(count).expect("a few");
        let (input, output) = (tokens(usage.input_tokens()), tokens(usage.output_tokens()));
        let full = input + 2 * output + 3;
        let held = open.hold.amount.get();
        let id = open.hold.id.to_string();
        let wallet = Account::Wallet(open.hold.organization.clone());
        let revenue = Account::Revenue("main".into());
        let cost = full.min(held);
        self.post(&id, open.by, (wallet, revenue.clone()), cost);
        self.post(
            &format!("{id}:overrun"),
            open.by,
            (Account::Overrun, revenue),
            full - cost,
        );
        self.post(
            &format!("{id}:upstream_cost"),
            open.by,
            (
                Account::UpstreamCost(upstream.into()),
                Account::UpstreamPayable(upstream.into()),
            ),
            (input + 2 * output + 9) / 10,
        );
        self.end(open, Nusd::new(cost));
    }

    fn post(&mut self, id: &str, by: usize, between: (Account, Account), amount: i64) {
        if amount == 0 {
            return;
        }
        let (debit, credit) = between;
        let transfer = Transfer {
            id: id.to_owned(),
            organization: self.customers[by].organization.clone(),
            debit,
            credit,
            amount: Nusd::new(amount),
            code: TransferCode::Usage,
            request: None,
            reason: String::new(),
            actor: String::new(),
            at: AtUs(0),
        };
        self.journal.post(&transfer).expect("the book admitted it");
    }

    fn end(&mut self, open: &Open, charge: Nusd) {
        self.books[open.by].end(open.hold.id, charge, 1, AtUs(0));
    }

    /// Waits until everything is durable, and compares.
    async fn flush(&mut self) {
        let flushed = self.store().read_in_order(|_| Ok(())).await;
        flushed.expect("it is durable");
        for ticket in self.tickets.drain(..) {
            ticket.durable().await.expect("durable");
        }
        self.compare().await;
    }

    /// Ends the store, and opens the next one, which resolves what is open.
    async fn restart(&mut self, politely: bool) {
        if politely {
            self.store().close().await;
        }
        self.tickets.clear();
        self.store = None;
        self.store = Some(serve(&self.database).await);
        for open in std::mem::take(&mut self.open) {
            match open.seen_tokens {
                0 => self.end(&open, Nusd::ZERO),
                tokens => self.charge(&open, Usage::text(tokens, tokens), "unknown"),
            }
        }
        self.compare().await;
    }

    async fn compare(&self) {
        for (customer, book) in self.customers.iter().zip(&self.books) {
            assert_eq!(customer.wallet(self.store()).await, book.wallet());
            self.compare_spending(customer, book.wallet()).await;
        }
        let sql = "SELECT id, debits_nusd, credits_nusd FROM accounts
                   WHERE debits_nusd + credits_nusd > 0";
        let stored: BTreeMap<Account, (i64, i64)> = rows(self.store(), sql)
            .await
            .iter()
            .map(|row| {
                let account = Account::parse(row.text(0).expect("text")).expect("an account");
                let number = |index| row.int(index).expect("a number");
                (account, (number(1), number(2)))
            })
            .collect();
        let expected: BTreeMap<Account, (i64, i64)> = self
            .journal
            .accounts()
            .map(|(account, sides)| {
                let sides = (sides.debits.get(), sides.credits.get());
                (account.clone(), sides)
            })
            .collect();
        assert_eq!(stored, expected);
        self.compare_holds().await;
        assert_verified(self.store()).await;
    }

    /// Everything is for one project, so what that spent is what the wallet did.
    async fn compare_spending(&self, customer: &Customer, wallet: Wallet) {
        let of = |scope: Scope| Unknown {
            budget: BudgetId::new("budget_a"),
            scope,
            span: Window::Always.span(AtUs(0)),
        };
        let questions = [
            of(Scope::Organization),
            of(Scope::Project(ProjectId::new("proj_a"))),
            of(Scope::Project(ProjectId::new("proj_b"))),
        ];
        let organization = customer.organization.clone();
        let read = move |tx: &mut store::Tx<'_>| budgets::spent(tx, &organization, &questions);
        let spent = self.store().read_in_order(read).await.expect("it reads");
        let paid_in = customer.credits(self.store()).await;
        let all = paid_in - wallet.balance();
        assert_eq!(spent, [all, all, Nusd::ZERO]);
    }

    async fn compare_holds(&self) {
        let sql = "SELECT id, amount_nusd, seen_output_tokens FROM holds";
        let stored: BTreeMap<String, (i64, i64)> = rows(self.store(), sql)
            .await
            .iter()
            .map(|row| {
                let number = |index| row.int(index).expect("a number");
                (
                    row.text(0).expect("text").to_owned(),
                    (number(1), number(2)),
                )
            })
            .collect();
        let open: BTreeMap<String, (i64, i64)> = self
            .open
            .iter()
            .map(|open| {
                let seen = i64::try_from(open.seen_tokens).expect("a few");
                (open.hold.id.to_string(), (open.hold.amount.get(), seen))
            })
            .collect();
        assert_eq!(stored, open);
    }
}

fn lives_agree_with_the_model_on(kind: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let mut runner = TestRunner::new(Config {
        cases: 24,
        failure_persistence: None,
        max_shrink_iters: 100,
        ..Config::default()
    });
    let outcome = runner.run(&steps(), |steps| {
        runtime.block_on(async {
            let database = match kind {
                "sqlite" => testkit::databases::sqlite(),
                _ => testkit::databases::postgres().await,
            };
            let mut model = Model::new(&database).await;
            for step in steps {
                model.take(step).await;
            }
            model.flush().await;
            model.store().close().await;
        });
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

#[test]
fn lives_agree_with_the_model_on_sqlite() {
    lives_agree_with_the_model_on("sqlite");
}

#[test]
fn lives_agree_with_the_model_on_postgres() {
    lives_agree_with_the_model_on("postgres");
}
