//! Committing a batch to PostgreSQL: one statement, one round trip.
//!
//! Rows arrive as arrays. Every sum is taken over the rows that were really inserted or deleted,
//! so a batch that is sent twice, because its acknowledgement was lost, counts once. All of it
//! stands on the node's epoch: a process that was replaced can write nothing, and extend no chain.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use domain::id::RequestId;
use domain::lease::PotId;
use domain::ledger::Account;
use domain::money::Nusd;
use domain::usage::LineItem;
use tokio::runtime::Handle;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Statement};

use crate::StoreError;
use crate::batch::{Batch, Writer};
use crate::chain::{self, Head, Link, Linking};
use crate::commit::{Balances, CommitError, Committer};
use crate::idempotency::Claim;
use crate::postgres::{Place, PostgresServer};
use crate::sqlite_batch::{TOKEN_CLASSES, count};

const COMMIT: &str = include_str!("postgres_batch.sql");
/// What stands there in place of [`KEYS_PLACE`] for a batch that touches keys of requests.
const KEYS: &str = include_str!("postgres_batch_keys.sql");
const KEYS_PLACE: &str = "-- Here go the keys of requests, where the batch has any.\n";
/// The statement's error when some of a batch's settlements are not new.
const SETTLED_BEFORE: &str = "FB001";
/// Longer than the server allows a statement: past it, the server is out of reach.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) struct PostgresCommitter {
    server: Arc<PostgresServer>,
    runtime: Handle,
    /// The place of a server: its lock goes with the connection.
    place: Option<Place>,
    /// The connection of the opening, with that lock; the first session takes it.
    opened: Option<Client>,
    session: Option<Session>,
    /// The number of the last batch.
    committed: i64,
    /// Where the writer's chain stands; unknown before the first commit, and after one whose
    /// outcome this process did not learn.
    head: Option<Head>,
}

/// A connection, and what was prepared and learnt on it.
struct Session {
    client: Client,
    commit: Statement,
    commit_with_keys: Statement,
    house_accounts: HashSet<String>,
}

impl PostgresCommitter {
    pub(crate) fn new(
        server: Arc<PostgresServer>,
        runtime: Handle,
        opened: Client,
        place: Option<Place>,
    ) -> Self {
        PostgresCommitter {
            server,
            runtime,
            place,
            opened: Some(opened),
            session: None,
            committed: 0,
            head: None,
        }
    }

    async fn open_session(&mut self, writer: &Writer) -> Result<Session, CommitError> {
        let client = match self.opened.take() {
            Some(client) if !client.is_closed() => client,
            _ => self.reconnect(writer).await?,
        };
        let prepare = async |sql: &str| client.prepare(sql).await.map_err(StoreError::from);
        let commit = prepare(COMMIT).await?;
        let commit_with_keys = prepare(&COMMIT.replace(KEYS_PLACE, KEYS)).await?;
        Ok(Session {
            client,
            commit,
            commit_with_keys,
            house_accounts: HashSet::new(),
        })
    }

    /// A new connection after the last one was lost, and a server's lock with it.
    async fn reconnect(&self, writer: &Writer) -> Result<Client, CommitError> {
        // Nothing was sent yet: whatever keeps us out may pass.
        let retry = |error: StoreError| CommitError::Retry(error.to_string());
        let client = self.server.connect().await.map_err(retry)?;
        if let Some(place) = self.place
            && !PostgresServer::try_lock(&client, place)
                .await
                .map_err(retry)?
        {
            return Err(if epoch(&client, writer).await? == writer.epoch {
                CommitError::Retry("the lost connection still holds this node's place".into())
            } else {
                fenced()
            });
        }
        Ok(client)
    }
}

impl Committer for PostgresCommitter {
    fn commit(&mut self, batch: &Batch, writer: &Writer) -> Result<Balances, CommitError> {
        let runtime = self.runtime.clone();
        let number = self.committed + 1;
        let commit = async {
            let mut session = match self.session.take() {
                Some(session) if !session.client.is_closed() => session,
                _ => self.open_session(writer).await?,
            };
            let head = self.head.take();
            let sent = session.commit(number, batch, writer, head).await?;
            self.session = Some(session);
            self.committed = number;
            let (head, balances) = sent.map(|sent| (sent.head, sent.balances)).unzip();
            self.head = head;
            Ok(balances.unwrap_or_default())
        };
        runtime.block_on(async {
            let outcome = tokio::time::timeout(COMMIT_TIMEOUT, commit).await;
            outcome.unwrap_or_else(|_| Err(CommitError::Retry("PostgreSQL does not answer".into())))
        })
    }
}

/// A batch that went through.
struct Sent {
    head: Head,
    balances: Balances,
}

impl Session {
    /// Commits, and answers where the chain then stands, if that is known.
    async fn commit(
        &mut self,
        number: i64,
        batch: &Batch,
        writer: &Writer,
        head: Option<Head>,
    ) -> Result<Option<Sent>, CommitError> {
        let head = match head {
            Some(head) => head,
            None => self.head(writer).await?,
        };
        self.open_house_accounts(batch, writer).await?;
        self.open_adopted_leases(batch, writer).await?;
        let mut sent = self.send(number, batch, writer, &head).await;
        let mut rest = Cow::Borrowed(batch);
        // Several nodes may settle the same orphans, batch after batch: each time that another one
        // was faster, less is left.
        while sent.as_ref().is_err_and(was_settled_before) {
            let left = self.unsettled(&rest).await?;
            if left.settlements.len() == rest.settlements.len() {
                break;
            }
            rest = Cow::Owned(left);
            sent = self.send(number, &rest, writer, &head).await;
        }
        self.conclude(number, writer, sent).await
    }

    /// Sends a batch; answers where the chain then stands, or nothing if the fence refused it.
    async fn send(
        &self,
        number: i64,
        batch: &Batch,
        writer: &Writer,
        head: &Head,
    ) -> Result<Option<Sent>, tokio_postgres::Error> {
        let columns = Columns::of(batch, writer);
        let leases = Columns::of_leases(batch, writer);
        let link = link(batch, writer, head);
        let keys = batch.has_keys().then(|| Columns::of_keys(batch));
        let mut parameters = columns.parameters(writer, &number, &link);
        parameters.extend(leases.values());
        let commit = match &keys {
            Some(keys) => {
                parameters.extend(keys.values());
                &self.commit_with_keys
            }
            None => &self.commit,
        };
        let row = self.client.query_one(commit, &parameters).await?;
        Ok((row.get::<_, i64>(0) == 1).then(|| Sent {
            head: match link.is_empty() {
                true => head.clone(),
                false => link.into_head(),
            },
            balances: balances(&row),
        }))
    }

    /// What became of a batch that was sent.
    async fn conclude(
        &self,
        number: i64,
        writer: &Writer,
        sent: Result<Option<Sent>, tokio_postgres::Error>,
    ) -> Result<Option<Sent>, CommitError> {
        if let Some(sent) = sent.map_err(StoreError::from)? {
            return Ok(Some(sent));
        }
        // Refused by the fence.
        match self.last_batch(writer).await? {
            None => Err(fenced()),
            Some(batch) if batch >= number => Ok(None),
            Some(batch) => Err(lost(number - 1 - batch)),
        }
    }

    /// The number of the writer's last batch; none if the writer was replaced.
    ///
    /// It is written once more, not only read: a commit whose acknowledgement was lost may be
    /// visible here while the standby that it waited for does not have it. This one waits again.
    async fn last_batch(&self, writer: &Writer) -> Result<Option<i64>, StoreError> {
        let sql = "UPDATE nodes SET batch = batch WHERE id = $1 AND epoch = $2 RETURNING batch";
        let row = self
            .client
            .query_opt(sql, &[&writer.node, &writer.epoch])
            .await?;
        Ok(row.map(|row| row.get(0)))
    }

    /// Where the writer's chain stands.
    async fn head(&self, writer: &Writer) -> Result<Head, StoreError> {
        let chain = chain::of_node(writer);
        let row = self.client.query_opt(chain::HEAD, &[&chain]).await?;
        Ok(row.map_or_else(Head::none, |row| Head {
            seq: row.get(0),
            hash: row.get(1),
        }))
    }

    /// What is left of a batch without the settlements that the database has.
    async fn unsettled(&self, batch: &Batch) -> Result<Batch, StoreError> {
        let all = || batch.settlements.iter().map(|settlement| &settlement.hold);
        let organizations: Vec<&str> = all().map(|hold| hold.organization.as_str()).collect();
        let ids: Vec<String> = all().map(|hold| hold.id.to_string()).collect();
        let sql = "SELECT organization_id, id FROM usage_records
                   JOIN UNNEST($1::text[], $2::text[]) AS asked (organization_id, id)
                   USING (organization_id, id)";
        let rows = self.client.query(sql, &[&organizations, &ids]).await?;
        let known: HashSet<(String, String)> =
            rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        Ok(batch.without(|settlement| {
            let hold = &settlement.hold;
            known.contains(&(hold.organization.to_string(), hold.id.to_string()))
        }))
    }

    /// Accounts of the house open with their first transfer.
    async fn open_house_accounts(
        &mut self,
        batch: &Batch,
        writer: &Writer,
    ) -> Result<(), StoreError> {
        let mut accounts = batch.house_accounts(writer);
        accounts.retain(|account| !self.house_accounts.contains(account));
        if accounts.is_empty() {
            return Ok(());
        }
        let sql = "INSERT INTO accounts (id, overdraft, debits_nusd, credits_nusd, held_nusd)
                   SELECT id, 1, 0, 0, 0 FROM UNNEST($1::text[]) AS new (id)
                   ON CONFLICT (id) DO NOTHING";
        self.client.execute(sql, &[&accounts]).await?;
        self.house_accounts.extend(accounts);
        Ok(())
    }

    /// A pot that a request in flight came to count in may be one that this node never asked for.
    async fn open_adopted_leases(&self, batch: &Batch, writer: &Writer) -> Result<(), StoreError> {
        let pots: Vec<String> = batch
            .leases
            .excused
            .keys()
            .map(ToString::to_string)
            .collect();
        if pots.is_empty() {
            return Ok(());
        }
        let sql = "INSERT INTO leases (pot_id, node_id, free_nusd, asked, granted_nusd, recalled)
                   SELECT pot_id, id, 0, 0, 0, 0 FROM UNNEST($1::text[]) AS new (pot_id), nodes
                   WHERE id = $2 AND epoch = $3
                   ON CONFLICT (pot_id, node_id) DO NOTHING";
        let parameters: [&(dyn ToSql + Sync); 3] = [&pots, &writer.node, &writer.epoch];
        self.client.execute(sql, &parameters).await?;
        Ok(())
    }
}

/// Whether the database has some of the batch's settlements already.
fn was_settled_before(error: &tokio_postgres::Error) -> bool {
    error
        .code()
        .is_some_and(|code| code.code() == SETTLED_BEFORE)
}

/// The wallets' balances at the end of the statement's answer.
fn balances(row: &tokio_postgres::Row) -> Balances {
    let ids: Option<Vec<&str>> = row.get(2);
    let balances: Option<Vec<i64>> = row.get(3);
    let both = ids
        .into_iter()
        .flatten()
        .zip(balances.into_iter().flatten());
    let wallet = |(id, balance): (&str, i64)| match Account::parse(id)? {
        Account::Wallet(organization) => Some((organization, Nusd::new(balance))),
        _ => None,
    };
    Balances::new(both.filter_map(wallet).collect())
}

/// The row that chains a batch to those before it.
fn link(batch: &Batch, writer: &Writer, head: &Head) -> Link {
    let mut linking = Linking::after(head, chain::of_node(writer));
    for settlement in &batch.settlements {
        linking.usage_record(settlement);
        settlement
            .transfers(writer)
            .for_each(|transfer| linking.transfer(&transfer));
    }
    linking.finish()
}

/// The epoch of the writer's node.
async fn epoch(client: &Client, writer: &Writer) -> Result<i64, StoreError> {
    let sql = "SELECT epoch FROM nodes WHERE id = $1";
    let row = client.query_opt(sql, &[&writer.node]).await?;
    Ok(row.map_or(0, |row| row.get(0)))
}

/// Others ended this node's epoch: it was silent for too long, or another process has its place.
pub(crate) fn fenced() -> CommitError {
    CommitError::Poison(
        "this node was out of reach for too long and others have gone on without it; start it again"
            .into(),
    )
}

/// Pots as the JSON list that a hold keeps.
fn legs_text<'a>(legs: impl IntoIterator<Item = &'a PotId>) -> String {
    // Ids are letters, digits and `_-:`, so there is nothing to escape.
    let quoted: Vec<String> = legs.into_iter().map(|pot| format!("\"{pot}\"")).collect();
    format!("[{}]", quoted.join(","))
}

/// The database is behind what it said it had committed. What this process knows beyond it, such as
/// what is left in each wallet, does not hold there.
fn lost(batches: i64) -> CommitError {
    CommitError::Poison(format!(
        "PostgreSQL lost {batches} commits that it had acknowledged: was a standby promoted that \
         lagged behind? Restart this process to go on with what is left"
    ))
}

/// A batch as arrays, a column each, in the order of the statement's parameters.
#[derive(Default)]
struct Columns<'a> {
    texts: Vec<Vec<String>>,
    optional_texts: Vec<Vec<Option<String>>>,
    numbers: Vec<Vec<i64>>,
    bytes: Vec<Vec<&'a [u8]>>,
    order: Vec<Column>,
}

#[derive(Clone, Copy)]
enum Column {
    Text(usize),
    OptionalText(usize),
    Number(usize),
    Bytes(usize),
}

impl<'a> Columns<'a> {
    fn of(batch: &'a Batch, writer: &Writer) -> Self {
        let mut columns = Columns::default();
        columns.add_holds(batch);
        columns.add_settlements(batch);
        columns.add_transfers(batch, writer);
        columns.number(batch.progress.iter().map(|(_, it)| it.more.get()));
        columns
    }

    /// What the batch does to leases.
    fn of_leases(batch: &'a Batch, writer: &Writer) -> Self {
        let leases = &batch.leases;
        let adopted = |id: &RequestId| legs_text(leases.adopted(*id));
        let mut columns = Columns::default();
        columns.text(batch.accounts(writer).into_iter());
        columns.text(leases.returns.keys().map(ToString::to_string));
        columns.text(
            batch
                .holds
                .iter()
                .map(|new| legs_text(leases.legs(&new.hold))),
        );
        columns.text(batch.progress.iter().map(|(id, _)| adopted(id)));
        columns.text(batch.ended.iter().map(adopted));
        columns.text(
            batch
                .settlements
                .iter()
                .map(|it| legs_text(leases.legs(&it.hold))),
        );
        columns.text(leases.returns.keys().map(ToString::to_string));
        columns.number(leases.returns.values().map(|amount| amount.get()));
        columns.text(leases.excused.keys().map(ToString::to_string));
        columns.number(leases.excused.values().map(|amount| amount.get()));
        columns
    }

    /// The rest, for a batch that has keys.
    fn of_keys(batch: &'a Batch) -> Self {
        let mut columns = Columns::default();
        columns.add_claims(batch.kept().map(|kept| &*kept.claim));
        columns.text(batch.kept().map(|kept| kept.answer.content_type.clone()));
        columns.bytes(batch.kept().map(|kept| &*kept.answer.body));
        columns.add_claims(batch.unclaimed.iter().map(|claim| &**claim));
        columns
    }

    fn parameters<'b>(
        &'b self,
        writer: &'b Writer,
        number: &'b i64,
        link: &'b Link,
    ) -> Vec<&'b (dyn ToSql + Sync)> {
        let mut parameters: Vec<&(dyn ToSql + Sync)> = vec![&writer.node, &writer.epoch, number];
        parameters.extend(self.values());
        parameters.extend::<[&(dyn ToSql + Sync); 8]>([
            &link.chain,
            &link.seq,
            &link.usage_records,
            &link.transfers,
            &link.amount_nusd,
            &link.at_us,
            &link.previous_hash,
            &link.hash,
        ]);
        parameters
    }

    fn values(&self) -> impl Iterator<Item = &(dyn ToSql + Sync)> {
        self.order.iter().map(|place| -> &(dyn ToSql + Sync) {
            match *place {
                Column::Text(index) => &self.texts[index],
                Column::OptionalText(index) => &self.optional_texts[index],
                Column::Number(index) => &self.numbers[index],
                Column::Bytes(index) => &self.bytes[index],
            }
        })
    }

    fn text(&mut self, column: impl Iterator<Item = String>) {
        self.order.push(Column::Text(self.texts.len()));
        self.texts.push(column.collect());
    }

    fn optional_text(&mut self, column: impl Iterator<Item = Option<String>>) {
        self.order
            .push(Column::OptionalText(self.optional_texts.len()));
        self.optional_texts.push(column.collect());
    }

    fn number(&mut self, column: impl Iterator<Item = i64>) {
        self.order.push(Column::Number(self.numbers.len()));
        self.numbers.push(column.collect());
    }

    fn bytes(&mut self, column: impl Iterator<Item = &'a [u8]>) {
        self.order.push(Column::Bytes(self.bytes.len()));
        self.bytes.push(column.collect());
    }

    fn add_claims<'c>(&mut self, claims: impl Iterator<Item = &'c Claim> + Clone) {
        self.text(claims.clone().map(|claim| claim.organization.to_string()));
        self.text(claims.clone().map(|claim| claim.project.to_string()));
        self.text(claims.clone().map(|claim| claim.key.to_hex()));
        self.text(claims.map(|claim| claim.request.to_string()));
    }

    fn add_holds(&mut self, batch: &Batch) {
        let holds = || batch.holds.iter().map(|new| &new.hold);
        self.text(holds().map(|hold| hold.id.to_string()));
        self.text(holds().map(|hold| hold.organization.to_string()));
        self.text(holds().map(|hold| hold.project.to_string()));
        self.text(holds().map(|hold| hold.key.to_string()));
        self.text(holds().map(|hold| hold.model.to_string()));
        self.text(holds().map(|hold| hold.endpoint.to_owned()));
        self.number(batch.holds.iter().map(|new| new.amount.get()));
        self.text(holds().map(|hold| hold.price_id.to_string()));
        self.number(holds().map(|hold| hold.markup.basis_points().into()));
        self.number(holds().map(|hold| hold.admitted_at.0));
        self.number(batch.holds.iter().map(|new| count(new.seen.input_tokens)));
        self.number(batch.holds.iter().map(|new| count(new.seen.output_tokens)));
        let progress = || batch.progress.iter();
        self.text(progress().map(|(id, _)| id.to_string()));
        self.number(progress().map(|(_, it)| count(it.seen.input_tokens)));
        self.number(progress().map(|(_, it)| count(it.seen.output_tokens)));
        self.text(batch.ended.iter().map(ToString::to_string));
    }

    fn add_settlements(&mut self, batch: &Batch) {
        let all = || batch.settlements.iter();
        self.text(all().map(|it| it.hold.organization.to_string()));
        self.text(all().map(|it| it.hold.id.to_string()));
        self.text(all().map(|it| it.hold.project.to_string()));
        self.text(all().map(|it| it.hold.key.to_string()));
        self.text(all().map(|it| it.hold.model.to_string()));
        self.text(all().map(|it| it.upstream.to_string()));
        self.text(all().map(|it| it.hold.endpoint.to_owned()));
        self.number(all().map(|it| it.hold.admitted_at.0));
        self.number(all().map(|it| it.ended_at.0));
        for class in TOKEN_CLASSES {
            self.number(all().map(|it| count(it.usage[class])));
        }
        self.number(all().map(|it| it.hold.amount.get()));
        self.number(all().map(|it| it.charge.cost.total.get()));
        for line in LineItem::ALL {
            self.number(all().map(|it| it.charge.cost.line(line).get()));
        }
        self.number(all().map(|it| it.charge.overrun.get()));
        self.number(all().map(|it| it.charge.upstream_cost.get()));
        self.text(all().map(|it| it.hold.price_id.to_string()));
        self.number(all().map(|it| it.hold.markup.basis_points().into()));
        self.number(all().map(|it| it.flags.to_bits()));
        self.number(all().map(|it| it.course.streamed.into()));
        // Minus one stands for none.
        self.number(all().map(|it| it.course.first_output_us.unwrap_or(-1)));
        self.optional_text(all().map(|it| it.course.finish_reason.map(str::to_owned)));
    }

    fn add_transfers(&mut self, batch: &Batch, writer: &Writer) {
        let transfers: Vec<_> = batch
            .settlements
            .iter()
            .flat_map(|settlement| settlement.transfers(writer))
            .collect();
        let all = || transfers.iter();
        self.text(all().map(|transfer| transfer.organization.to_string()));
        self.text(all().map(|transfer| transfer.id.clone()));
        self.text(all().map(|transfer| transfer.debit.to_string()));
        self.text(all().map(|transfer| transfer.credit.to_string()));
        self.number(all().map(|transfer| transfer.amount.get()));
        self.text(all().map(|transfer| transfer.code.as_str().to_owned()));
        self.optional_text(all().map(|transfer| transfer.request.map(|id| id.to_string())));
        self.number(all().map(|transfer| transfer.at.0));
    }
}
