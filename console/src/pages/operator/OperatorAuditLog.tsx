import { AuditLogOf } from '../audit/AuditLog';

/** What operators changed, in whichever organization. */
export default function OperatorAuditLog() {
  return (
    <AuditLogOf
      path="/api/operator/audit_logs"
      lead="What operators did, by whom, and from where. Nothing is ever removed."
    />
  );
}
