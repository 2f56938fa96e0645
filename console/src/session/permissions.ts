/** Everything that can be allowed, in the words of the console; docs/access.md says which call needs which. */
export const PERMISSIONS = [
  { value: 'api.management.read', label: 'See members, roles and settings' },
  { value: 'api.management.write', label: 'Change members, roles and settings' },
  { value: 'api.groups.read', label: 'See groups' },
  { value: 'api.groups.write', label: 'Change groups' },
  { value: 'api.usage.read', label: 'See usage and costs' },
  { value: 'api.billing.read', label: 'See credit, payments and receipts' },
  { value: 'api.billing.write', label: 'Pay, and change cards' },
  { value: 'api.audit_logs.read', label: 'See the audit log' },
  { value: 'api.organization.projects.read', label: 'See projects' },
  { value: 'api.organization.projects.write', label: 'Change projects' },
  { value: 'api.organization.projects.users.read', label: 'See members of projects' },
  { value: 'api.organization.projects.users.write', label: 'Change members of projects' },
  { value: 'api.organization.projects.service_accounts.read', label: 'See service accounts' },
  { value: 'api.organization.projects.service_accounts.write', label: 'Change service accounts' },
  { value: 'api.organization.projects.api_keys.read', label: 'See everybody’s keys' },
  { value: 'api.organization.projects.api_keys.write', label: 'Change everybody’s keys' },
  { value: 'api.organization.projects.logs.read', label: 'See everybody’s requests in the log' },
  { value: 'api.organization.projects.logs.prompts.read', label: 'See prompts and answers in the log' },
  { value: 'api.organization.projects.rate_limits.read', label: 'See rate limits and budgets' },
  { value: 'api.organization.projects.rate_limits.write', label: 'Change rate limits and budgets' },
  { value: 'api.model.read', label: 'List models' },
  { value: 'api.model.request', label: 'Call models' },
] as const;

/** One thing that can be allowed. */
export type Permission = (typeof PERMISSIONS)[number]['value'];
