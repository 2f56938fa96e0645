const PROBLEMS: Record<string, string> = {
  sso_denied: 'You or the provider said no. Try again, or sign in another way.',
  sso_expired: 'That took longer than ten minutes, or began in another browser. Begin again.',
  sso_unavailable: 'The provider cannot be reached right now. Try again later.',
  sso_failed: 'The provider’s answer could not be believed. Tell whoever runs this installation.',
  sso_email_unverified: 'The provider does not know your address as verified. Verify it there first.',
  sso_domain_refused: 'Addresses like yours may not sign in here. Use another account.',
  sso_link_required:
    'There is an account with this address. Sign in to it as before, then link the provider in your account.',
  sso_identity_taken: 'That identity is linked to another account here. Unlink it there first.',
  account_locked: 'This account is locked. Whoever runs this installation can unlock it.',
  signup_closed: 'Nobody can sign up here at the moment. Ask whoever runs this installation.',
  signup_expired: 'That took too long. Begin again.',
  link_expired: 'The invite is over, or was used before. Ask for a new one.',
  too_many_attempts: 'Too many attempts. Wait a few minutes, then try again.',
};

/** What went wrong on the way back from a provider, by its code. */
export function ssoProblem(code: string): string {
  return PROBLEMS[code] ?? 'Signing in did not work. Try again, or sign in another way.';
}
