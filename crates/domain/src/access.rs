//! Who may call what: the rules between a key that was recognised and a request that is admitted.

use std::net::IpAddr;

use crate::id::{KeyId, OrganizationId, ProjectId, ServiceAccountId, UserId};
use crate::key::KeyClass;
use crate::permission::{Permission, Permissions};
use crate::restriction::{Call, KeyPermissions, KeyScope, Restrictions};
use crate::time::AtUs;

/// Who a key acts for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A person.
    User(UserId),
    /// A service account of the key's project.
    ServiceAccount(ServiceAccountId),
}

/// The authenticated caller of a request: a key that exists, and everything that decides what it
/// may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The key.
    pub key: KeyId,
    /// Which plane it calls.
    pub class: KeyClass,
    /// Whose it is.
    pub owner: Owner,
    /// The organization that pays.
    pub organization: OrganizationId,
    /// The project that the request belongs to; none for admin keys.
    pub project: Option<ProjectId>,
    /// The project takes no more requests.
    pub project_archived: bool,
    /// What the key is restricted to, of what its owner may do.
    pub restrictions: Restrictions,
    /// What its owner's roles allow in the project; none if the owner does not belong to it.
    pub granted: Option<Permissions>,
    /// When the key stops working; never if none.
    pub expires_at: Option<AtUs>,
}

/// Why a recognised key may not make this request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessRefusal {
    /// The key's time is over.
    Expired,
    /// The secret is an earlier one of its key, and its time is over.
    Replaced,
    /// An admin key called the data plane.
    AdminKeyOnDataPlane,
    /// A data key called the Administration API.
    DataKeyOnAdministration,
    /// The key's project is archived.
    ProjectArchived(ProjectId),
    /// The request names another organization than the key's.
    MismatchedOrganization,
    /// The request names another project than the key's.
    MismatchedProject,
    /// The key's owner does not belong to the project any more.
    OwnerLeft(ProjectId),
    /// The key may not be used from where the request comes from.
    AddressNotAllowed(Option<IpAddr>),
    /// The key's owner may not do this.
    MissingScope(Permission),
    /// The owner may, and the key is restricted to other things.
    KeyLacks(KeyScope),
    /// The key may not use this model.
    ModelNotAllowed,
}

/// What a request says about itself before its body is looked at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Claims<'a> {
    /// The `OpenAI-Organization` header.
    pub organization: Option<&'a str>,
    /// The `OpenAI-Project` header.
    pub project: Option<&'a str>,
    /// Where it comes from, as far as that is known.
    pub address: Option<IpAddr>,
}

/// Admits a key to the data plane, and names the project it pays from.
///
/// # Errors
/// [`AccessRefusal`], the first that applies.
pub fn data_plane<'a>(
    principal: &'a Principal,
    claims: Claims<'_>,
    call: Call,
    now: AtUs,
) -> Result<&'a ProjectId, AccessRefusal> {
    let (project, granted) = on_data_plane(principal, claims, now)?;
    if !granted.contains(call.permission()) {
        return Err(AccessRefusal::MissingScope(call.permission()));
    }
    let by_key = principal.restrictions.permissions.allow(call);
    by_key.map_err(AccessRefusal::KeyLacks)?;
    Ok(project)
}

/// Whose receipts a key may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipts {
    /// Those of calls that were made with it.
    Own,
    /// Those of every call of its organization.
    All,
}

/// Admits a key to the receipts of calls, and names its project. What a key paid for it may always
/// look at; everything, if its owner may see the organization's usage and it is not restricted to
/// something else.
///
/// # Errors
/// [`AccessRefusal`], the first that applies.
pub fn receipts<'a>(
    principal: &'a Principal,
    claims: Claims<'_>,
    now: AtUs,
) -> Result<(&'a ProjectId, Receipts), AccessRefusal> {
    let (project, granted) = on_data_plane(principal, claims, now)?;
    let is_wide = !matches!(
        principal.restrictions.permissions,
        KeyPermissions::Restricted(_)
    );
    let which = match is_wide && granted.contains(Permission::UsageRead) {
        true => Receipts::All,
        false => Receipts::Own,
    };
    Ok((project, which))
}

/// Admits a key to the data plane, whatever it is to do there; names its project, and what its
/// owner may do in it.
fn on_data_plane<'a>(
    principal: &'a Principal,
    claims: Claims<'_>,
    now: AtUs,
) -> Result<(&'a ProjectId, Permissions), AccessRefusal> {
    not_expired(principal, now)?;
    from_allowed_address(principal, claims)?;
    let project = match (principal.class, &principal.project) {
        (KeyClass::Admin, _) | (_, None) => return Err(AccessRefusal::AdminKeyOnDataPlane),
        (_, Some(project)) => project,
    };
    same_organization(principal, claims)?;
    if claims
        .project
        .is_some_and(|named| named != project.as_str())
    {
        return Err(AccessRefusal::MismatchedProject);
    }
    if principal.project_archived {
        return Err(AccessRefusal::ProjectArchived(project.clone()));
    }
    let Some(granted) = principal.granted else {
        return Err(AccessRefusal::OwnerLeft(project.clone()));
    };
    Ok((project, granted))
}

/// Admits a key to the Administration API.
///
/// # Errors
/// [`AccessRefusal`], the first that applies.
pub fn administration(
    principal: &Principal,
    claims: Claims<'_>,
    now: AtUs,
) -> Result<(), AccessRefusal> {
    not_expired(principal, now)?;
    from_allowed_address(principal, claims)?;
    if principal.class != KeyClass::Admin {
        return Err(AccessRefusal::DataKeyOnAdministration);
    }
    same_organization(principal, claims)
}

/// Whether the key may use a model, by its public name.
///
/// # Errors
/// [`AccessRefusal::ModelNotAllowed`].
pub fn model(principal: &Principal, name: &str) -> Result<(), AccessRefusal> {
    match principal.restrictions.allow_model(name) {
        true => Ok(()),
        false => Err(AccessRefusal::ModelNotAllowed),
    }
}

fn not_expired(principal: &Principal, now: AtUs) -> Result<(), AccessRefusal> {
    match principal.expires_at {
        Some(expires_at) if expires_at <= now => Err(AccessRefusal::Expired),
        _ => Ok(()),
    }
}

fn from_allowed_address(principal: &Principal, claims: Claims<'_>) -> Result<(), AccessRefusal> {
    match principal.restrictions.allow_address(claims.address) {
        true => Ok(()),
        false => Err(AccessRefusal::AddressNotAllowed(claims.address)),
    }
}

fn same_organization(principal: &Principal, claims: Claims<'_>) -> Result<(), AccessRefusal> {
    match claims.organization {
        Some(named) if named != principal.organization.as_str() => {
            Err(AccessRefusal::MismatchedOrganization)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Network;
    use crate::permission::PredefinedRole;

    fn principal() -> Principal {
        Principal {
            key: KeyId::new("key_a"),
            class: KeyClass::Project,
            owner: Owner::User(UserId::new("user-a")),
            organization: OrganizationId::new("org-a"),
            project: Some(ProjectId::new("proj_a")),
            project_archived: false,
            restrictions: Restrictions::default(),
            granted: Some(PredefinedRole::ProjectMember.permissions()),
            expires_at: None,
        }
    }

    #[test]
    fn the_data_plane_takes_only_keys_that_fit() {
        use AccessRefusal::*;
        let keys: [(Principal, Option<AccessRefusal>); 8] = [
            (principal(), None),
            (with(|it| it.expires_at = Some(AtUs(6))), None),
            (with(|it| it.expires_at = Some(AtUs(5))), Some(Expired)),
            (
                with(|it| (it.class, it.project) = (KeyClass::Admin, None)),
                Some(AdminKeyOnDataPlane),
            ),
            (
                with(|it| it.project_archived = true),
                Some(ProjectArchived(ProjectId::new("proj_a"))),
            ),
            (
                with(|it| it.restrictions.permissions = KeyPermissions::ReadOnly),
                Some(KeyLacks(KeyScope::CapabilitiesRequest)),
            ),
            (
                with(|it| {
                    it.granted = Some(PredefinedRole::ProjectViewer.permissions());
                    let all = KeyScope::ALL.iter().copied().collect();
                    it.restrictions.permissions = KeyPermissions::Restricted(all);
                }),
                Some(MissingScope(Permission::ModelRequest)),
            ),
            (
                with(|it| it.granted = None),
                Some(OwnerLeft(ProjectId::new("proj_a"))),
            ),
        ];
        for (key, refusal) in keys {
            let got = data_plane(&key, Claims::default(), Call::Chat, AtUs(5));
            assert_eq!(got.err(), refusal);
        }
    }

    #[test]
    fn a_key_sees_what_it_paid_for_and_an_owners_everything() {
        let owner = Some(PredefinedRole::OrganizationOwner.permissions());
        let chat =
            KeyPermissions::Restricted([KeyScope::ChatCompletionsRequest].into_iter().collect());
        let keys = [
            (principal(), Ok(Receipts::Own)),
            (with(|it| it.granted = owner), Ok(Receipts::All)),
            (
                with(|it| {
                    it.granted = owner;
                    it.restrictions.permissions = chat;
                }),
                Ok(Receipts::Own),
            ),
            (
                with(|it| it.granted = None),
                Err(AccessRefusal::OwnerLeft(ProjectId::new("proj_a"))),
            ),
        ];
        for (key, wanted) in keys {
            let got = receipts(&key, Claims::default(), AtUs(5));
            assert_eq!(got.map(|(_, which)| which), wanted);
        }
    }

    #[test]
    fn what_a_request_claims_to_be_for_must_be_its_keys() {
        use AccessRefusal::*;
        for (organization, project, refusal) in [
            (Some("org-a"), Some("proj_a"), None),
            (Some("org-b"), None, Some(MismatchedOrganization)),
            (None, Some("proj_b"), Some(MismatchedProject)),
        ] {
            let claims = Claims {
                organization,
                project,
                address: None,
            };
            let key = principal();
            let got = data_plane(&key, claims, Call::Chat, AtUs(5));
            assert_eq!(got.err(), refusal);
        }
    }

    /// The usual key, changed.
    fn with(change: impl FnOnce(&mut Principal)) -> Principal {
        let mut principal = principal();
        change(&mut principal);
        principal
    }

    #[test]
    fn the_administration_takes_only_admin_keys() {
        let none = Claims::default();
        let refused = administration(&principal(), none, AtUs(0));
        assert_eq!(refused, Err(AccessRefusal::DataKeyOnAdministration));
        let admin = Principal {
            class: KeyClass::Admin,
            project: None,
            ..principal()
        };
        assert_eq!(administration(&admin, none, AtUs(0)), Ok(()));
        let elsewhere = Claims {
            organization: Some("org-b"),
            ..Claims::default()
        };
        let refused = administration(&admin, elsewhere, AtUs(0));
        assert_eq!(refused, Err(AccessRefusal::MismatchedOrganization));
    }

    #[test]
    fn a_key_for_some_models_gets_no_others() {
        let some = with(|it| it.restrictions.models = Some(vec!["a".into()]));
        assert_eq!(model(&some, "a"), Ok(()));
        assert_eq!(model(&some, "b"), Err(AccessRefusal::ModelNotAllowed));
        assert_eq!(model(&principal(), "b"), Ok(()));
    }

    #[test]
    fn a_key_for_some_networks_is_refused_elsewhere_on_both_planes() {
        let office = Network::parse("203.0.113.0/24").unwrap();
        let key = with(|it| it.restrictions.networks = Some(vec![office]));
        let admin = Principal {
            class: KeyClass::Admin,
            project: None,
            ..key.clone()
        };
        for (address, is_allowed) in [
            (Some("203.0.113.9"), true),
            (Some("198.51.100.9"), false),
            (None, false),
        ] {
            let claims = Claims {
                address: address.map(|text| text.parse().unwrap()),
                ..Claims::default()
            };
            let refusal = AccessRefusal::AddressNotAllowed(claims.address);
            let wanted = if is_allowed { Ok(()) } else { Err(refusal) };
            let got = data_plane(&key, claims, Call::Chat, AtUs(0)).map(|_| ());
            assert_eq!(got, wanted, "{address:?}");
            assert_eq!(
                administration(&admin, claims, AtUs(0)),
                wanted,
                "{address:?}"
            );
        }
    }
}
