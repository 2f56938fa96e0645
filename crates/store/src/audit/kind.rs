//! What can be done, by the names that the audit log gives it.

/// Declares the kinds of events: each with the name that programs know it by.
macro_rules! kinds {
    ($($kind:ident = $name:literal,)*) => {
        /// A kind of event. docs/audit-log.md says of each what its detail is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "each is its name")]
        pub enum Kind {
            $($kind,)*
        }

        impl Kind {
            /// Every kind there is.
            pub const ALL: &'static [Kind] = &[$(Kind::$kind,)*];

            /// Its name in the log.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Kind::$kind => $name,)*
                }
            }
        }
    };
}

kinds! {
    ApiKeyCreated = "api_key.created",
    ApiKeyDeleted = "api_key.deleted",
    ApiKeyUpdated = "api_key.updated",
    GroupCreated = "group.created",
    GroupDeleted = "group.deleted",
    GroupUpdated = "group.updated",
    LoginFailed = "login.failed",
    LoginSucceeded = "login.succeeded",
    LogoutSucceeded = "logout.succeeded",
    InviteAccepted = "invite.accepted",
    InviteDeleted = "invite.deleted",
    InviteSent = "invite.sent",
    ProjectArchived = "project.archived",
    ProjectCreated = "project.created",
    ProjectUpdated = "project.updated",
    RateLimitDeleted = "rate_limit.deleted",
    RateLimitUpdated = "rate_limit.updated",
    RoleAssignmentCreated = "role.assignment.created",
    RoleAssignmentDeleted = "role.assignment.deleted",
    RoleCreated = "role.created",
    RoleDeleted = "role.deleted",
    RoleUpdated = "role.updated",
    ServiceAccountCreated = "service_account.created",
    ServiceAccountDeleted = "service_account.deleted",
    ServiceAccountUpdated = "service_account.updated",
    UserAdded = "user.added",
    UserDeleted = "user.deleted",
    UserUpdated = "user.updated",
    // Beside their neighbours; OpenAI has no names for these.
    SpendLimitDeleted = "spend_limit.deleted",
    SpendLimitUpdated = "spend_limit.updated",
    ModelPermissionsDeleted = "model_permissions.deleted",
    ModelPermissionsUpdated = "model_permissions.updated",
    GroupMemberAdded = "group.member.added",
    GroupMemberRemoved = "group.member.removed",
    // Ours.
    AccountUpdated = "farebox.account.updated",
    ApiKeyLeaked = "farebox.api_key.leaked",
    BillingProfileUpdated = "farebox.billing_profile.updated",
    LogSettingsUpdated = "farebox.log_settings.updated",
    AlertSettingsUpdated = "farebox.alert_settings.updated",
    BudgetCreated = "farebox.budget.created",
    BudgetDeleted = "farebox.budget.deleted",
    BudgetUpdated = "farebox.budget.updated",
    SpendAlertCreated = "farebox.spend_alert.created",
    SpendAlertDeleted = "farebox.spend_alert.deleted",
    SpendAlertUpdated = "farebox.spend_alert.updated",
    CreditGranted = "farebox.credit.granted",
    CreditTakenBack = "farebox.credit.taken_back",
    OverdraftSet = "farebox.overdraft.set",
    OrganizationResumed = "farebox.organization.resumed",
    OrganizationSuspended = "farebox.organization.suspended",
    LedgerVerified = "farebox.ledger.verified",
    MessageDropped = "farebox.message.dropped",
    MessageRetried = "farebox.message.retried",
    OperatorAdded = "farebox.operator.added",
    OperatorRemoved = "farebox.operator.removed",
    SignupPolicyReset = "farebox.signup_policy.reset",
    SignupPolicyUpdated = "farebox.signup_policy.updated",
    WebhookEndpointCreated = "farebox.webhook_endpoint.created",
    WebhookEndpointDeleted = "farebox.webhook_endpoint.deleted",
    WebhookEndpointUpdated = "farebox.webhook_endpoint.updated",
    WebhookReplayed = "farebox.webhook_delivery.replayed",
    WebhookTested = "farebox.webhook_delivery.tested",
    UserEmailSet = "farebox.user.email_set",
    UserLocked = "farebox.user.locked",
    UserUnlocked = "farebox.user.unlocked",
    UserSignedOut = "farebox.user.signed_out",
    ModelDisabled = "farebox.model.disabled",
    ModelEnabled = "farebox.model.enabled",
    AutoRechargeUpdated = "farebox.auto_recharge.updated",
    PaymentCancelled = "farebox.payment.cancelled",
    PaymentCreated = "farebox.payment.created",
    PaymentDisputed = "farebox.payment.disputed",
    PaymentExpired = "farebox.payment.expired",
    PaymentFailed = "farebox.payment.failed",
    PaymentMethodAdded = "farebox.payment_method.added",
    PaymentMethodRemoved = "farebox.payment_method.removed",
    PaymentMethodUpdated = "farebox.payment_method.updated",
    PaymentRefunded = "farebox.payment.refunded",
    PaymentSucceeded = "farebox.payment.succeeded",
    PaymentsReconciled = "farebox.payments.reconciled",
    PaymentUnmatchedResolved = "farebox.payment.unmatched_resolved",
    PriceCreated = "farebox.price.created",
    PriceWithdrawn = "farebox.price.withdrawn",
    UpstreamCostsImported = "farebox.upstream_costs.imported",
    MarkupCreated = "farebox.markup.created",
    MarkupEnded = "farebox.markup.ended",
    CodeRedeemed = "farebox.code.redeemed",
    CodesDisabled = "farebox.codes.disabled",
    CodesMade = "farebox.codes.made",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_explained() {
        let text = include_str!("../../../../docs/audit-log.md");
        for kind in Kind::ALL {
            let name = kind.as_str();
            assert!(text.contains(&format!("| `{name}` |")), "{name}");
        }
    }
}
