//! docs/access.md is printed from the table of who may call what.

use std::fmt::Write;
use std::path::Path;

use domain::permission::{Permission, PredefinedRole, Resource};
use farebox_control::access::{Credential, Need, OPERATORS, RULES};

const OPENING: &str = "\
# Who may do what

<!-- Printed by `cargo xtask access` from crates/control/src/access.rs and the domain's permissions. -->

What a person may do is what all of their roles allow, added up: the role as a member of the organization, the
role as a member of a project, roles that were assigned to them, and the roles of groups that they are in. Five
roles always exist; owners make others from the permissions below. Roles of the organization hold in each of its
projects, roles of a project in that one. A change acts from the next request on, and within 2 seconds on other
servers.

An admin key acts as the person who owns it. A project key does what its owner may do in its project, and nothing
once the owner does not belong to it: owners of the organization belong to every project, everybody else by a role
in it. A service account does what its own role in the project allows.

Whoever lacks a permission gets a 403, `missing_scope`, with its name behind `Missing scopes:`. Nobody gives what
they do not have: making a role, assigning one, or putting somebody into a group with roles needs every
permission in them.

## Permissions

Each can be in a role of the organization; those marked *project* also in a role of a project. The columns are
the roles that always exist: owner and reader of the organization; owner, member and viewer of a project.

";

fn page() -> String {
    let mut page = OPENING.to_owned();
    let roles = PredefinedRole::ALL;
    page.push_str(
        "| permission | in a role of | owner | reader | project owner | member | viewer |\n",
    );
    page.push_str("|---|---|---|---|---|---|---|\n");
    for permission in Permission::ALL {
        let resource = match permission.resource() {
            Resource::Organization => "organization",
            Resource::Project => "organization, project",
        };
        write!(page, "| `{}` | {resource} |", permission.as_str()).unwrap();
        for role in roles {
            let mark = match role.permissions().contains(*permission) {
                true => "yes",
                false => "–",
            };
            write!(page, " {mark} |").unwrap();
        }
        page.push('\n');
    }
    page.push_str(
        "\n## Routes\n\nWhat each route needs: in the whole organization, or in the project that the path names.\n\
         *Or one's own*: whoever belongs to the project needs no permission for what is their own there.\n\n\
         | route | permission | where | by |\n|---|---|---|---|\n",
    );
    for rule in RULES {
        let place = match rule.need {
            Need::Organization(_) => "organization",
            Need::Project(_) => "project",
            Need::Listed(_) => "any project; lists those",
            Need::Own(_) => "project, or one's own",
        };
        let by = rule.by.iter().map(|credential| match credential {
            Credential::AdminKey => "admin key",
            Credential::Session => "session",
        });
        let by = by.collect::<Vec<_>>().join(", ");
        let permission = rule.permission().as_str();
        let (method, path) = (rule.method, rule.path);
        writeln!(
            page,
            "| `{method} {path}` | `{permission}` | {place} | {by} |"
        )
        .unwrap();
    }
    page.push_str(
        "\n## Operators\n\nWhoever runs the installation may call these, signed in. Everybody else gets a 403, \
         `operator_required`, whatever there is behind a path: members, owners, and every key.\n\n\
         | route |\n|---|\n",
    );
    for (path, methods) in OPERATORS {
        for method in *methods {
            writeln!(page, "| `{method} {path}` |").unwrap();
        }
    }
    page.push_str(
        "\nOn the data plane, endpoints that cost money need `api.model.request`, and `GET /v1/models` needs \
         `api.model.read`.\n",
    );
    page
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the developer's own tool says by it that the page is to be written"
)]
fn the_page_is_printed_from_the_table() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/access.md");
    let page = page();
    if std::env::var_os("FAREBOX_UPDATE_ACCESS").is_some() {
        std::fs::write(&file, &page).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        kept == page,
        "docs/access.md is out of date: run `cargo xtask access`"
    );
}
