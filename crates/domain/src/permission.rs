//! What people may do: permissions, the roles that bundle them, and what several roles come to.
//!
//! A permission has the name that OpenAI gives it, where that is known. A role holds permissions of
//! one kind of resource: the organization, or one project. Whatever way a person comes to a role
//! (as a member, assigned, through a group), the permissions of all roles add up.

use crate::id::{OrganizationId, ProjectId, RoleId};

/// What a role is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resource {
    /// The organization, and in it every project.
    Organization,
    /// One project.
    Project,
}

impl Resource {
    /// OpenAI's name of it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Resource::Organization => "api.organization",
            Resource::Project => "api.project",
        }
    }
}

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident $text:literal $resource:ident,)*) => {
        /// One thing that can be allowed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Permission {
            $($(#[$doc])* $name,)*
        }

        impl Permission {
            /// Every permission.
            pub const ALL: &'static [Permission] = &[$(Permission::$name,)*];

            /// Its name.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Permission::$name => $text,)*
                }
            }

            /// The narrowest thing that it can be given for. What can be given for a project can
            /// also be given for the organization: for all of its projects.
            #[must_use]
            pub fn resource(self) -> Resource {
                match self {
                    $(Permission::$name => Resource::$resource,)*
                }
            }
        }
    };
}

permissions! {
    /// See members, invites, admin keys, roles and settings of the organization.
    ManagementRead "api.management.read" Organization,
    /// Change them.
    ManagementWrite "api.management.write" Organization,
    /// See groups, and who is in them.
    GroupsRead "api.groups.read" Organization,
    /// Change them.
    GroupsWrite "api.groups.write" Organization,
    /// See usage and costs.
    UsageRead "api.usage.read" Organization,
    /// See credit, payments, saved cards, receipts and statements.
    BillingRead "api.billing.read" Organization,
    /// Pay, save and remove cards, and say when credit is bought by itself.
    BillingWrite "api.billing.write" Organization,
    /// See the audit log.
    AuditLogsRead "api.audit_logs.read" Organization,
    /// See a project and its settings.
    ProjectsRead "api.organization.projects.read" Project,
    /// Change or archive it; for the organization: make projects.
    ProjectsWrite "api.organization.projects.write" Project,
    /// See a project's members, groups and roles.
    ProjectUsersRead "api.organization.projects.users.read" Project,
    /// Change them.
    ProjectUsersWrite "api.organization.projects.users.write" Project,
    /// See a project's service accounts.
    ServiceAccountsRead "api.organization.projects.service_accounts.read" Project,
    /// Make and delete them, and their keys.
    ServiceAccountsWrite "api.organization.projects.service_accounts.write" Project,
    /// See a project's keys, redacted.
    ApiKeysRead "api.organization.projects.api_keys.read" Project,
    /// Delete them.
    ApiKeysWrite "api.organization.projects.api_keys.write" Project,
    /// See every request that was made in a project, also those of others.
    LogsRead "api.organization.projects.logs.read" Project,
    /// See what prompts and answers are kept of them.
    PromptsRead "api.organization.projects.logs.prompts.read" Project,
    /// See rate limits, spend limits and budgets.
    RateLimitsRead "api.organization.projects.rate_limits.read" Project,
    /// Change them.
    RateLimitsWrite "api.organization.projects.rate_limits.write" Project,
    /// List models.
    ModelRead "api.model.read" Project,
    /// Run models: every endpoint that costs money.
    ModelRequest "api.model.request" Project,
}

impl Permission {
    /// The permission of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|permission| permission.as_str() == name)
    }

    /// Its name where a refusal says that it is missing: OpenAI shortens one of them.
    #[must_use]
    pub fn in_refusals(self) -> &'static str {
        match self {
            Permission::ModelRequest => "model.request",
            other => other.as_str(),
        }
    }

    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// Some permissions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Permissions(u32);

impl Permissions {
    /// None.
    pub const NONE: Permissions = Permissions(0);

    /// Those in a list.
    #[must_use]
    pub const fn of(list: &[Permission]) -> Self {
        let (mut bits, mut at) = (0, 0);
        while at < list.len() {
            bits |= list[at].bit();
            at += 1;
        }
        Permissions(bits)
    }

    /// Those that are in either.
    #[must_use]
    pub const fn and(self, other: Permissions) -> Self {
        Permissions(self.0 | other.0)
    }

    /// Those that are not in `other`.
    #[must_use]
    pub const fn without(self, other: Permissions) -> Self {
        Permissions(self.0 & !other.0)
    }

    /// Whether `permission` is among them.
    #[must_use]
    pub const fn contains(self, permission: Permission) -> bool {
        self.0 & permission.bit() != 0
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each of them, in the order of [`Permission::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        let all = Permission::ALL.iter().copied();
        all.filter(move |permission| self.contains(*permission))
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<T: IntoIterator<Item = Permission>>(list: T) -> Self {
        let add = |all: Permissions, one| all.and(Permissions::of(&[one]));
        list.into_iter().fold(Permissions::NONE, add)
    }
}

/// A role that always exists, and that nobody can change or delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PredefinedRole {
    /// May do everything, in every project.
    OrganizationOwner,
    /// Belongs to the organization; what else it may do, other roles say.
    OrganizationReader,
    /// Runs a project: its members, service accounts and keys. Limits stay the organization's.
    ProjectOwner,
    /// Works in a project: runs models.
    ProjectMember,
    /// Looks at a project.
    ProjectViewer,
}

const PROJECT_VIEWER: Permissions = Permissions::of(&[
    Permission::ProjectsRead,
    Permission::ProjectUsersRead,
    Permission::ServiceAccountsRead,
    Permission::RateLimitsRead,
    Permission::ModelRead,
]);

const PROJECT_MEMBER: Permissions =
    PROJECT_VIEWER.and(Permissions::of(&[Permission::ModelRequest]));

const PROJECT_OWNER: Permissions = PROJECT_MEMBER.and(Permissions::of(&[
    Permission::ProjectsWrite,
    Permission::ProjectUsersWrite,
    Permission::ServiceAccountsWrite,
    Permission::ApiKeysRead,
    Permission::ApiKeysWrite,
    Permission::LogsRead,
]));

impl PredefinedRole {
    /// Every predefined role.
    pub const ALL: [PredefinedRole; 5] = [
        PredefinedRole::OrganizationOwner,
        PredefinedRole::OrganizationReader,
        PredefinedRole::ProjectOwner,
        PredefinedRole::ProjectMember,
        PredefinedRole::ProjectViewer,
    ];

    /// Those that are bound to `resource`.
    pub fn of(resource: Resource) -> impl Iterator<Item = Self> {
        let all = Self::ALL.into_iter();
        all.filter(move |role| role.resource() == resource)
    }

    /// The role of this name.
    #[must_use]
    pub fn from_name(resource: Resource, name: &str) -> Option<Self> {
        Self::of(resource).find(|role| role.name() == name)
    }

    /// Its name: the word that members have it by, and that it is stored as.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            PredefinedRole::OrganizationOwner | PredefinedRole::ProjectOwner => "owner",
            PredefinedRole::OrganizationReader => "reader",
            PredefinedRole::ProjectMember => "member",
            PredefinedRole::ProjectViewer => "viewer",
        }
    }

    /// What it is for.
    #[must_use]
    pub fn description(self) -> &'static str {
        match self {
            PredefinedRole::OrganizationOwner => "May do everything in the organization.",
            PredefinedRole::OrganizationReader => {
                "Belongs to the organization; projects and other roles say what else."
            }
            PredefinedRole::ProjectOwner => {
                "Runs the project: its members, service accounts and keys."
            }
            PredefinedRole::ProjectMember => "Works in the project: runs models.",
            PredefinedRole::ProjectViewer => "Looks at the project.",
        }
    }

    /// What it is bound to.
    #[must_use]
    pub fn resource(self) -> Resource {
        match self {
            PredefinedRole::OrganizationOwner | PredefinedRole::OrganizationReader => {
                Resource::Organization
            }
            _ => Resource::Project,
        }
    }

    /// What it allows.
    #[must_use]
    pub fn permissions(self) -> Permissions {
        match self {
            PredefinedRole::OrganizationOwner => Permissions::of(Permission::ALL),
            PredefinedRole::OrganizationReader => Permissions::of(&[Permission::ModelRead]),
            PredefinedRole::ProjectOwner => PROJECT_OWNER,
            PredefinedRole::ProjectMember => PROJECT_MEMBER,
            PredefinedRole::ProjectViewer => PROJECT_VIEWER,
        }
    }

    /// Its id on the wire, in OpenAI's form: it differs from one organization or project to the
    /// next. `resource_id` is that of the organization or project.
    #[must_use]
    pub fn id(self, resource_id: &str) -> String {
        let resource = match self.resource() {
            Resource::Organization => "api-organization",
            Resource::Project => "api-project",
        };
        format!("role-{resource}-{}__{resource}__{resource_id}", self.name())
    }
}

/// Names a role within its organization or project.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RoleName {
    /// One that always exists.
    Predefined(PredefinedRole),
    /// One that somebody made.
    Custom(RoleId),
}

impl RoleName {
    /// The role that an id on the wire names in `realm`; none if it cannot be one there.
    #[must_use]
    pub fn from_id(realm: &Realm, id: &str) -> Option<Self> {
        let mut predefined = PredefinedRole::of(realm.resource());
        match predefined.find(|role| role.id(realm.id()) == id) {
            Some(role) => Some(RoleName::Predefined(role)),
            None if id.starts_with(RoleId::PREFIX) => Some(RoleName::Custom(RoleId::new(id))),
            None => None,
        }
    }

    /// What it is stored as: a word or an id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            RoleName::Predefined(role) => role.name(),
            RoleName::Custom(id) => id.as_str(),
        }
    }

    /// The role stored as `text`; none if there is no such role for this kind of resource.
    #[must_use]
    pub fn from_text(resource: Resource, text: &str) -> Option<Self> {
        match text.starts_with(RoleId::PREFIX) {
            true => Some(RoleName::Custom(RoleId::new(text))),
            false => PredefinedRole::from_name(resource, text).map(RoleName::Predefined),
        }
    }
}

/// Where a role holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Realm {
    /// The whole organization.
    Organization(OrganizationId),
    /// One project.
    Project(ProjectId),
}

impl Realm {
    /// What roles in it are bound to.
    #[must_use]
    pub fn resource(&self) -> Resource {
        match self {
            Realm::Organization(_) => Resource::Organization,
            Realm::Project(_) => Resource::Project,
        }
    }

    /// The id of the organization or project.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Realm::Organization(id) => id.as_str(),
            Realm::Project(id) => id.as_str(),
        }
    }
}

/// A role that a person holds, for what it decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldRole {
    /// One that always exists.
    Predefined(PredefinedRole),
    /// One that somebody made, with what it allows.
    Custom(Resource, Permissions),
}

/// What all roles of a person come to, in an organization and (if one is asked about) a project.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// What the roles in the organization allow.
    organization: Permissions,
    /// One of them is that of an owner.
    is_owner: bool,
    /// What the roles in the project allow; none if there are no roles in it.
    project: Option<Permissions>,
}

impl Standing {
    /// Adds a role.
    pub fn add(&mut self, role: HeldRole) {
        let (resource, permissions) = match role {
            HeldRole::Predefined(role) => (role.resource(), role.permissions()),
            HeldRole::Custom(resource, permissions) => (resource, permissions),
        };
        match resource {
            Resource::Organization => self.organization = self.organization.and(permissions),
            Resource::Project => {
                let before = self.project.unwrap_or_default();
                self.project = Some(before.and(permissions));
            }
        }
        self.is_owner |= role == HeldRole::Predefined(PredefinedRole::OrganizationOwner);
    }

    /// What may be done in the whole organization.
    #[must_use]
    pub fn in_organization(&self) -> Permissions {
        self.organization
    }

    /// What may be done in the project.
    #[must_use]
    pub fn in_project(&self) -> Permissions {
        self.organization.and(self.project.unwrap_or_default())
    }

    /// Whether the person belongs to the project. Owners of the organization belong to every one.
    #[must_use]
    pub fn belongs(&self) -> bool {
        self.is_owner || self.project.is_some()
    }

    /// What keys of the person may do in the project; none if the person does not belong to it.
    #[must_use]
    pub fn of_keys(&self) -> Option<Permissions> {
        self.belongs().then(|| self.in_project())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Permission::*;
    use PredefinedRole::*;

    #[test]
    fn names_are_unique_and_read_back() {
        for permission in Permission::ALL {
            let name = permission.as_str();
            assert_eq!(Permission::from_name(name), Some(*permission), "{name}");
            let wanted = (*permission == ModelRequest).then_some("model.request");
            assert_eq!(permission.in_refusals(), wanted.unwrap_or(name));
        }
        assert_eq!(Permission::from_name("api.model"), None);
        for role in PredefinedRole::ALL {
            assert_eq!(
                PredefinedRole::from_name(role.resource(), role.name()),
                Some(role)
            );
        }
        assert_eq!(PredefinedRole::from_name(Resource::Project, "reader"), None);
    }

    #[test]
    fn sets_hold_what_was_put_into_them() {
        let some = Permissions::of(&[ModelRead, GroupsRead]);
        assert_eq!(some.iter().collect::<Vec<_>>(), [GroupsRead, ModelRead]);
        assert_eq!(some.iter().collect::<Permissions>(), some);
        assert!(some.contains(ModelRead) && !some.contains(ModelRequest));
        let less = some.without(Permissions::of(&[GroupsRead, UsageRead]));
        assert_eq!(less, Permissions::of(&[ModelRead]));
        assert!(!less.is_empty() && less.without(some).is_empty());
    }

    /// Each permission: who has it by a predefined role.
    #[test]
    fn predefined_roles_allow_this() {
        let everybody = &[
            OrganizationReader,
            ProjectOwner,
            ProjectMember,
            ProjectViewer,
        ][..];
        let in_project = &[ProjectOwner, ProjectMember, ProjectViewer][..];
        let table: &[(Permission, &[PredefinedRole])] = &[
            (ManagementRead, &[]),
            (ManagementWrite, &[]),
            (GroupsRead, &[]),
            (GroupsWrite, &[]),
            (UsageRead, &[]),
            (BillingRead, &[]),
            (BillingWrite, &[]),
            (AuditLogsRead, &[]),
            (ProjectsRead, in_project),
            (ProjectsWrite, &[ProjectOwner]),
            (ProjectUsersRead, in_project),
            (ProjectUsersWrite, &[ProjectOwner]),
            (ServiceAccountsRead, in_project),
            (ServiceAccountsWrite, &[ProjectOwner]),
            (ApiKeysRead, &[ProjectOwner]),
            (ApiKeysWrite, &[ProjectOwner]),
            (LogsRead, &[ProjectOwner]),
            (PromptsRead, &[]),
            (RateLimitsRead, in_project),
            (RateLimitsWrite, &[]),
            (ModelRead, everybody),
            (ModelRequest, &[ProjectOwner, ProjectMember]),
        ];
        assert_eq!(table.len(), Permission::ALL.len());
        for (permission, roles) in table {
            for role in PredefinedRole::ALL {
                let wanted = role == OrganizationOwner || roles.contains(&role);
                let got = role.permissions().contains(*permission);
                assert_eq!(got, wanted, "{role:?} {}", permission.as_str());
            }
        }
    }

    #[test]
    fn a_project_role_allows_nothing_of_the_organization() {
        for role in PredefinedRole::of(Resource::Project) {
            for permission in role.permissions().iter() {
                assert_eq!(permission.resource(), Resource::Project, "{role:?}");
            }
        }
    }

    #[test]
    fn ids_of_predefined_roles_have_openais_form() {
        let owner = "role-api-organization-owner__api-organization__org-a";
        assert_eq!(OrganizationOwner.id("org-a"), owner);
        let viewer = "role-api-project-viewer__api-project__proj_a";
        assert_eq!(ProjectViewer.id("proj_a"), viewer);
    }

    #[test]
    fn a_role_is_named_by_its_id_where_it_holds() {
        let acme = Realm::Organization(OrganizationId::new("org-a"));
        let search = Realm::Project(ProjectId::new("proj_a"));
        for (realm, id, wanted) in [
            (&acme, OrganizationOwner.id("org-a"), Some("owner")),
            (&acme, OrganizationOwner.id("org-b"), None),
            (&acme, ProjectOwner.id("org-a"), None),
            (&search, ProjectViewer.id("proj_a"), Some("viewer")),
            (&search, "role_abc".into(), Some("role_abc")),
            (&search, "owner".into(), None),
        ] {
            let name = RoleName::from_id(realm, &id);
            assert_eq!(name.as_ref().map(RoleName::as_str), wanted, "{id}");
            if let Some(name) = name {
                let read = RoleName::from_text(realm.resource(), name.as_str());
                assert_eq!(read, Some(name));
            }
        }
        assert_eq!(RoleName::from_text(Resource::Project, "reader"), None);
    }

    /// Roles, whether keys may run models in the project, and whether its keys may be seen there
    /// and everywhere.
    #[test]
    fn roles_add_up() {
        let role = HeldRole::Predefined;
        let custom =
            |resource, list: &[Permission]| HeldRole::Custom(resource, Permissions::of(list));
        let table: Vec<(Vec<HeldRole>, Option<bool>, bool, bool)> = vec![
            (vec![], None, false, false),
            (vec![role(OrganizationReader)], None, false, false),
            (vec![role(OrganizationOwner)], Some(true), true, true),
            (vec![role(ProjectViewer)], Some(false), false, false),
            (vec![role(ProjectMember)], Some(true), false, false),
            (vec![role(ProjectOwner)], Some(true), true, false),
            (
                vec![role(OrganizationReader), role(ProjectViewer)],
                Some(false),
                false,
                false,
            ),
            (
                vec![role(ProjectViewer), role(ProjectMember)],
                Some(true),
                false,
                false,
            ),
            (
                vec![
                    role(ProjectViewer),
                    custom(Resource::Project, &[ModelRequest, ApiKeysRead]),
                ],
                Some(true),
                true,
                false,
            ),
            // Who may do something everywhere belongs to no project by that.
            (
                vec![custom(Resource::Organization, &[ModelRequest, ApiKeysRead])],
                None,
                true,
                true,
            ),
            (
                vec![
                    custom(Resource::Organization, &[ModelRequest]),
                    role(ProjectViewer),
                ],
                Some(true),
                false,
                false,
            ),
            (
                vec![custom(Resource::Project, &[])],
                Some(false),
                false,
                false,
            ),
        ];
        for (roles, runs_models, sees_keys, sees_all_keys) in table {
            let mut standing = Standing::default();
            for role in &roles {
                standing.add(*role);
            }
            let keys = standing.of_keys();
            let runs = keys.map(|permissions| permissions.contains(ModelRequest));
            assert_eq!(runs, runs_models, "{roles:?}");
            let sees = standing.in_project().contains(ApiKeysRead);
            assert_eq!(sees, sees_keys, "{roles:?}");
            let sees = standing.in_organization().contains(ApiKeysRead);
            assert_eq!(sees, sees_all_keys, "{roles:?}");
        }
    }
}
