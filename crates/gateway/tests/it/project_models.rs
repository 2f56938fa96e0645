//! Which models a project may use: in force from the next request on, wherever models are named.

use domain::model_permissions::{Mode, ModelPermissions};
use serde_json::{Value, json};
use testkit::http::Request;
use testkit::{Reply, Upstream, on_each_database};

use crate::world::{MODEL, Plan, World, clock, hello};

impl World {
    pub(crate) async fn permit(&self, mode: Mode, models: &[&str]) {
        let permissions = ModelPermissions {
            mode,
            models: models.iter().map(|model| (*model).to_owned()).collect(),
        };
        let (organization, project) = (self.made.organization.clone(), self.made.project.clone());
        let now = (clock())();
        let set = move |tx: &mut store::Tx<'_>| {
            store::model_permissions::set(tx, &organization, &project, &permissions, now)
        };
        self.store.write(set).await.unwrap();
    }

    pub(crate) async fn is_listed(&self, model: &str) -> bool {
        let get = async |path: &str| {
            let request = Request::get(&self.url(path)).bearer(self.key());
            request.send().await.unwrap()
        };
        let list = get("/models").await.json();
        let ids = list["data"].as_array().unwrap().iter();
        let is_in_list = ids.map(|model| &model["id"]).any(|id| *id == model);
        let is_found = get(&format!("/models/{model}")).await.status == 200;
        assert_eq!(is_in_list, is_found);
        is_found
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_uses_only_the_models_it_may() {
    on_each_database(async |database| {
        let upstream = Upstream::start(|_| Reply::chat_with_usage("Hi", 12, 3)).await;
        let world = World::start(database, &[upstream.base_url()], Plan::default()).await;
        for (mode, models, is_allowed) in [
            (Mode::DenyList, &[MODEL][..], false),
            (Mode::DenyList, &["another"], true),
            (Mode::AllowList, &["another"], false),
            (Mode::AllowList, &["another", MODEL], true),
            (Mode::AllowList, &[], false),
        ] {
            world.permit(mode, models).await;
            let answer = world.chat(&hello(5)).await;
            assert_eq!(answer.status == 200, is_allowed, "{}", answer.text());
            assert_eq!(world.is_listed(MODEL).await, is_allowed);
            if !is_allowed {
                assert_eq!(answer.status, 403);
                let error = &answer.json()["error"];
                let wanted = (&json!("model_not_found"), &Value::Null);
                assert_eq!((&error["code"], &error["param"]), wanted);
                let project = &world.made.project;
                let opening =
                    format!("Project `{project}` does not have access to model `{MODEL}`");
                assert!(error["message"].as_str().unwrap().starts_with(&opening));
            }
        }
        // A restart forgets nothing.
        let world = world.restart(&[upstream.base_url()]).await;
        assert_eq!(world.chat(&hello(5)).await.status, 403);
        let (project, now) = (world.made.project.clone(), (clock())());
        let delete =
            move |tx: &mut store::Tx<'_>| store::model_permissions::delete(tx, &project, now);
        assert!(world.store.write(delete).await.unwrap());
        assert_eq!(world.chat(&hello(5)).await.status, 200);
        assert!(world.is_listed(MODEL).await);
        world.at_rest().await;
    })
    .await;
}
