//! What people and their keys may do, by every way to come to a role.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use domain::id::{GroupId, KeyId, OrganizationId, ProjectId, RoleAssignmentId, RoleId, UserId};
use domain::permission::{Permission, Permissions, PredefinedRole, Realm, RoleName};
use store::changes::{self, ChangeKind};
use store::groups::{self, Group};
use store::page::Page;
use store::role_assignments::{self, Assignment, Holder};
use store::roles::{self, Role};
use store::{StoreError, Tx, keys, members, standing};
use testkit::on_each_database;

use crate::crud_world::{NOW, all_active, join, key_of, person, set_up, write};
use crate::fixture::entropy;

/// The permissions of one key, and the same by every other way that keys are read.
fn granted(tx: &mut Tx<'_>, id: &KeyId) -> Result<Option<Permissions>, StoreError> {
    let key = keys::active_by_id(tx, id)?.unwrap().principal;
    let all = all_active(tx)?;
    let same = all.iter().find(|other| other.principal.key == *id);
    assert_eq!(
        same.unwrap().principal,
        key,
        "as a server reads it at start"
    );
    Ok(key.granted)
}

fn custom(name: &str, permissions: &[Permission]) -> Role {
    Role {
        id: RoleId::random(entropy),
        name: name.into(),
        description: None,
        permissions: Permissions::of(permissions),
        created_by: None,
        created_at: NOW,
        updated_at: NOW,
    }
}

/// An organization, its project, and how roles are given and taken there.
struct Place {
    organization: OrganizationId,
    project: ProjectId,
}

impl Place {
    fn realm(&self) -> Realm {
        Realm::Project(self.project.clone())
    }

    fn whole(&self) -> Realm {
        Realm::Organization(self.organization.clone())
    }

    fn assign(
        &self,
        tx: &mut Tx<'_>,
        realm: &Realm,
        holder: &Holder,
        role: &RoleName,
    ) -> Result<bool, StoreError> {
        let id = RoleAssignmentId::random(entropy);
        role_assignments::assign(tx, &id, &self.assignment(realm, holder, role), NOW)
    }

    fn unassign(
        &self,
        tx: &mut Tx<'_>,
        realm: &Realm,
        holder: &Holder,
        role: &RoleName,
    ) -> Result<bool, StoreError> {
        let gone = role_assignments::unassign(tx, &self.assignment(realm, holder, role), NOW)?;
        Ok(gone.is_some())
    }

    fn assignment(&self, realm: &Realm, holder: &Holder, role: &RoleName) -> Assignment {
        Assignment {
            organization: self.organization.clone(),
            realm: realm.clone(),
            holder: holder.clone(),
            role: role.clone(),
        }
    }

    fn group(&self, tx: &mut Tx<'_>, name: &str) -> Result<GroupId, StoreError> {
        let group = Group {
            id: GroupId::random(entropy),
            name: name.into(),
            created_at: NOW,
        };
        groups::create(tx, &self.organization, &group)?;
        Ok(group.id)
    }
}

const PAGE: Page = Page {
    after: None,
    is_descending: false,
    limit: 100,
};

#[tokio::test(flavor = "multi_thread")]
async fn keys_may_do_what_all_roles_of_their_owner_come_to() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        let place = Place {
            organization: made.organization,
            project: made.project,
        };
        write(&store, move |tx| {
            let (organization, project) = (&place.organization, &place.project);
            let bob = person(tx, organization, "bob", "reader")?;
            let key = key_of(tx, organization, project, &bob)?;
            assert_eq!(granted(tx, &key)?, None, "no member of the project");

            join(tx, organization, project, &bob, "viewer")?;
            let reader = PredefinedRole::OrganizationReader.permissions();
            let viewer = PredefinedRole::ProjectViewer.permissions().and(reader);
            assert_eq!(granted(tx, &key)?, Some(viewer));

            let role = custom("Caller", &[Permission::ModelRequest]);
            roles::create(tx, organization, &place.realm(), &role)?;
            let name = RoleName::Custom(role.id.clone());
            let holder = Holder::User(bob.clone());
            assert!(place.assign(tx, &place.realm(), &holder, &name)?);
            assert!(!place.assign(tx, &place.realm(), &holder, &name)?, "twice");
            let more = viewer.and(Permissions::of(&[Permission::ModelRequest]));
            assert_eq!(granted(tx, &key)?, Some(more));

            let wider = Role {
                permissions: Permissions::of(&[Permission::ApiKeysRead]),
                ..role.clone()
            };
            roles::change(tx, organization, &wider)?;
            let other = viewer.and(Permissions::of(&[Permission::ApiKeysRead]));
            assert_eq!(granted(tx, &key)?, Some(other));
            roles::delete(tx, organization, &role.id, NOW)?;
            assert_eq!(granted(tx, &key)?, Some(viewer));

            let owner = RoleName::Predefined(PredefinedRole::OrganizationOwner);
            assert!(place.assign(tx, &place.whole(), &holder, &owner)?);
            let everything = Permissions::of(Permission::ALL);
            assert_eq!(granted(tx, &key)?, Some(everything));
            let sql = "DELETE FROM project_members WHERE user_id = $1";
            tx.execute_one(sql, &[bob.as_str().into()])?;
            assert_eq!(
                granted(tx, &key)?,
                Some(everything),
                "owners are everywhere"
            );
            assert!(place.unassign(tx, &place.whole(), &holder, &owner)?);
            assert!(
                !place.unassign(tx, &place.whole(), &holder, &owner)?,
                "twice"
            );
            assert_eq!(granted(tx, &key)?, None);
            Ok(())
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_gives_its_roles_to_who_is_in_it() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        let place = Place {
            organization: made.organization,
            project: made.project,
        };
        write(&store, move |tx| {
            let (organization, project) = (&place.organization, &place.project);
            let bob = person(tx, organization, "bob", "reader")?;
            let key = key_of(tx, organization, project, &bob)?;
            let group = place.group(tx, "Callers")?;
            let holder = Holder::Group(group.clone());
            let member = RoleName::Predefined(PredefinedRole::ProjectMember);
            assert!(place.assign(tx, &place.realm(), &holder, &member)?);
            assert_eq!(granted(tx, &key)?, None, "not in the group");

            assert!(groups::add_member(tx, organization, &group, &bob, NOW)?);
            assert!(!groups::add_member(tx, organization, &group, &bob, NOW)?);
            let reader = PredefinedRole::OrganizationReader.permissions();
            let by_group = PredefinedRole::ProjectMember.permissions().and(reader);
            assert_eq!(granted(tx, &key)?, Some(by_group));

            join(tx, organization, project, &bob, "member")?;
            let held = role_assignments::list(
                tx,
                organization,
                &place.realm(),
                &Holder::User(bob.clone()),
            )?;
            let [held] = &held[..] else {
                panic!("one role, twice: {held:?}")
            };
            assert_eq!(held.role, member);
            let through = [Holder::User(bob.clone()), holder.clone()];
            assert_eq!(held.through, through);

            let shown = groups::list_of_project(tx, organization, project, &PAGE)?;
            assert_eq!(shown.len(), 1);
            let gone = groups::remove_from_project(tx, organization, project, &group, NOW)?;
            assert_eq!(gone.len(), 1);
            let gone = groups::remove_from_project(tx, organization, project, &group, NOW)?;
            assert!(gone.is_empty());
            assert!(groups::list_of_project(tx, organization, project, &PAGE)?.is_empty());

            assert!(place.assign(tx, &place.whole(), &holder, &member).is_ok());
            groups::delete(tx, organization, &group, NOW)?;
            assert!(groups::members(tx, &group, &PAGE)?.is_empty());
            let left = role_assignments::list(tx, organization, &place.whole(), &holder)?;
            assert!(left.is_empty(), "{left:?}");
            Ok(())
        })
        .await;
    })
    .await;
}

/// Whoever comes back does not find the roles of before.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_member_had_goes_with_the_member() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        let place = Place {
            organization: made.organization,
            project: made.project,
        };
        write(&store, move |tx| {
            let (organization, project) = (&place.organization, &place.project);
            let bob = person(tx, organization, "bob", "reader")?;
            join(tx, organization, project, &bob, "viewer")?;
            let group = place.group(tx, "g")?;
            groups::add_member(tx, organization, &group, &bob, NOW)?;
            let holder = Holder::User(bob.clone());
            let owner = RoleName::Predefined(PredefinedRole::ProjectOwner);
            place.assign(tx, &place.realm(), &holder, &owner)?;
            let all = RoleName::Predefined(PredefinedRole::OrganizationOwner);
            place.assign(tx, &place.whole(), &holder, &all)?;
            assert!(members::get(tx, organization, &bob)?.is_some());
            let role = members::role_in_project(tx, project, &bob)?;
            assert_eq!(role.as_deref(), Some("viewer"));

            let sql = "DELETE FROM members WHERE user_id = $1";
            tx.execute_one(sql, &[bob.as_str().into()])?;
            for table in ["project_members", "group_members", "role_assignments"] {
                let sql = format!("SELECT COUNT(*) FROM {table}");
                assert_eq!(tx.query_one(&sql, &[])?.int(0)?, 0, "{table}");
            }
            assert_eq!(members::get(tx, organization, &bob)?, None);
            let nothing = standing::of_user(tx, organization, &bob, Some(project))?;
            assert_eq!(nothing.of_keys(), None);
            Ok(())
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_hear_of_everything_that_changes_what_people_may_do() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        let place = Place {
            organization: made.organization,
            project: made.project,
        };
        write(&store, move |tx| {
            let organization = &place.organization;
            let bob = person(tx, organization, "bob", "reader")?;
            let group = place.group(tx, "g")?;
            let role = custom("r", &[Permission::UsageRead]);
            roles::create(tx, organization, &place.whole(), &role)?;
            let name = RoleName::Custom(role.id.clone());
            let (user, people) = (Holder::User(bob.clone()), Holder::Group(group.clone()));
            let before = changes::latest(tx)?;
            groups::add_member(tx, organization, &group, &bob, NOW)?;
            place.assign(tx, &place.whole(), &user, &name)?;
            place.assign(tx, &place.whole(), &people, &name)?;
            roles::change(tx, organization, &role)?;
            place.unassign(tx, &place.whole(), &people, &name)?;
            place.unassign(tx, &place.whole(), &user, &name)?;
            groups::remove_member(tx, &group, &bob, NOW)?;
            roles::delete(tx, organization, &role.id, NOW)?;
            groups::delete(tx, organization, &group, NOW)?;
            let told = changes::after(tx, before, 20)?;
            let told: Vec<_> = told.iter().map(|it| (it.kind, &*it.reference)).collect();
            let of_bob = (ChangeKind::User, bob.as_str());
            let of_all = (ChangeKind::Roles, organization.as_str());
            assert_eq!(
                told,
                [
                    of_bob, of_bob, of_all, of_all, of_all, of_bob, of_bob, of_all, of_all
                ]
            );
            Ok(())
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_and_assignments_keep_to_their_organization_and_project() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        let place = Place {
            organization: made.organization,
            project: made.project,
        };
        write(&store, move |tx| {
            let organization = &place.organization;
            let stranger = UserId::new("user-nobody");
            let here = custom("Same name", &[]);
            let there = custom("Same name", &[]);
            roles::create(tx, organization, &place.whole(), &here)?;
            roles::create(tx, organization, &place.realm(), &there)?;
            let found = roles::get(tx, organization, &place.realm(), &here.id)?;
            assert_eq!(found, None);
            let listed = roles::list(tx, organization, &place.realm())?;
            assert_eq!(listed, [there]);
            let elsewhere = OrganizationId::new("org-other");
            assert!(roles::list(tx, &elsewhere, &place.whole())?.is_empty());
            assert_eq!(members::get(tx, &elsewhere, &made.user)?, None);
            assert_eq!(members::get(tx, organization, &stranger)?, None);
            Ok(())
        })
        .await;
        let place = store
            .read(move |tx| {
                let row = tx.query_one("SELECT id, organization_id FROM projects", &[])?;
                Ok::<_, StoreError>((row.text(0)?.to_owned(), row.text(1)?.to_owned()))
            })
            .await
            .unwrap();
        let (project, organization) = place;
        let twice = store
            .write(move |tx| {
                let realm = Realm::Project(ProjectId::new(&project));
                let organization = OrganizationId::new(&organization);
                roles::create(tx, &organization, &realm, &custom("Same name", &[]))
            })
            .await;
        assert!(matches!(twice, Err(StoreError::Conflict(_))), "{twice:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_go_both_ways_and_on_from_what_is_gone() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        write(&store, move |tx| {
            let organization = &made.organization;
            let mut all = Vec::new();
            for number in 0..5 {
                let group = Group {
                    id: GroupId::random(entropy),
                    name: format!("g {number}"),
                    created_at: NOW.plus(number / 2),
                };
                groups::create(tx, organization, &group)?;
                all.push(group);
            }
            let place = |group: &Group| (group.created_at, group.id.to_string());
            all.sort_by_key(place);
            let mut walk = |is_descending: bool| -> Result<Vec<Group>, StoreError> {
                let mut page = Page {
                    is_descending,
                    limit: 2,
                    ..PAGE
                };
                let mut seen: Vec<Group> = Vec::new();
                loop {
                    let shown = groups::list(tx, organization, &page)?;
                    let Some(last) = shown.last() else {
                        return Ok(seen);
                    };
                    page.after = Some(place(last));
                    seen.extend(shown);
                }
            };
            assert_eq!(walk(false)?, all);
            let backwards: Vec<Group> = all.iter().rev().cloned().collect();
            assert_eq!(walk(true)?, backwards);
            assert_eq!(groups::count(tx, organization)?, 5);
            groups::delete(tx, organization, &all[1].id, NOW)?;
            let after = Page {
                after: Some(place(&all[1])),
                ..PAGE
            };
            assert_eq!(groups::list(tx, organization, &after)?, all[2..]);
            Ok(())
        })
        .await;
    })
    .await;
}
