//! What a batch does to the idempotency keys of requests: it keeps answers, and gives keys back.

use rusqlite::params;

use super::SqliteCommitter;
use crate::StoreError;
use crate::batch::Batch;
use crate::commit::Committer;
use crate::idempotency::Kept;

impl SqliteCommitter {
    /// Keeps nothing on a disk that is short of room: the ballast's is for money. A key whose row
    /// went on to another request is that one's.
    pub(super) fn keep_answers(&self, batch: &Batch) -> Result<(), StoreError> {
        if self.shortage().is_some() {
            return Ok(());
        }
        let mut update = self.connection.prepare_cached(
            "UPDATE idempotent_requests SET content_type = ?5, answer = ?6
             WHERE organization_id = ?1 AND project_id = ?2 AND key_digest = ?3 AND request_id = ?4",
        )?;
        for Kept { claim, answer } in batch.kept() {
            update.execute(params![
                claim.organization.as_str(),
                claim.project.as_str(),
                claim.key.to_hex(),
                claim.request.to_string(),
                answer.content_type,
                &*answer.body,
            ])?;
        }
        Ok(())
    }

    pub(super) fn give_back_keys(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut delete = self.connection.prepare_cached(
            "DELETE FROM idempotent_requests
             WHERE organization_id = ?1 AND project_id = ?2 AND key_digest = ?3 AND request_id = ?4",
        )?;
        for claim in &batch.unclaimed {
            delete.execute(params![
                claim.organization.as_str(),
                claim.project.as_str(),
                claim.key.to_hex(),
                claim.request.to_string(),
            ])?;
        }
        Ok(())
    }
}
