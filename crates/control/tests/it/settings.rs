//! Settings that have one answer, and endpoints that Farebox cannot have: told as it is.

use http::Method;
use serde_json::{Value, json};
use testkit::on_each_database;

use crate::world::{World, refused};

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_told_as_they_are_and_what_changes_nothing_is_accepted() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let project = format!("/projects/{}", world.made.project);
        let retention = |of: &str| json!({"object": of, "type": "zero_data_retention"});
        let tiers = json!({
            "object": "project.service_tier_settings", "default": "standard",
            "enabled_tiers": "all",
        });
        let enabled = json!({"enabled": true});
        let tools = json!({
            "code_interpreter": enabled, "file_search": enabled, "image_generation": enabled,
            "mcp": enabled, "web_search": enabled,
        });
        let zero = json!({"retention_type": "zero_data_retention"});
        for (path, fine, shown) in [
            (
                "/data_retention".to_owned(),
                zero.clone(),
                retention("organization.data_retention"),
            ),
            (
                format!("{project}/data_retention"),
                zero,
                retention("project.data_retention"),
            ),
            (
                format!("{project}/data_retention"),
                json!({"retention_type": "organization_default"}),
                retention("project.data_retention"),
            ),
            (
                format!("{project}/service_tier_settings"),
                json!({"default": "standard", "enabled_tiers": "all"}),
                tiers,
            ),
            (
                format!("{project}/hosted_tool_permissions"),
                json!({"mcp": enabled}),
                tools,
            ),
        ] {
            assert_eq!(world.get(&path).await.json(), shown, "{path}");
            assert_eq!(world.post(&path, &fine).await.json(), shown, "{path}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_would_change_something_are_refused() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let project = format!("/projects/{}", world.made.project);
        let keep = json!({"retention_type": "modified_abuse_monitoring"});
        let unsupported = "unsupported_parameter";
        for (path, body, param, code) in [
            (
                "data_retention",
                json!({}),
                "retention_type",
                "missing_required_parameter",
            ),
            (
                "data_retention",
                keep.clone(),
                "retention_type",
                unsupported,
            ),
            (
                "service_tier_settings",
                json!({"default": "fast"}),
                "default",
                unsupported,
            ),
            (
                "service_tier_settings",
                json!({"enabled_tiers": []}),
                "enabled_tiers",
                unsupported,
            ),
            (
                "hosted_tool_permissions",
                json!({"web_search": {"enabled": false}}),
                "web_search",
                unsupported,
            ),
            (
                "hosted_tool_permissions",
                json!({"mcp": true}),
                "mcp",
                "invalid_type",
            ),
        ] {
            let answer = world.post(&format!("{project}/{path}"), &body).await;
            refused(&answer, 400, param, code);
        }
        refused(
            &world.post("/data_retention", &keep).await,
            400,
            "retention_type",
            unsupported,
        );
        for setting in [
            "data_retention",
            "service_tier_settings",
            "hosted_tool_permissions",
        ] {
            let path = format!("/projects/proj_no/{setting}");
            refused(&world.get(&path).await, 404, Value::Null, "not_found");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_farebox_cannot_have_says_so() {
    let world = World::start(testkit::databases::sqlite()).await;
    let project = format!("/projects/{}", world.made.project);
    for path in [
        "/certificates".to_owned(),
        "/certificates/activate".into(),
        "/certificates/cert_a".into(),
        format!("{project}/certificates"),
        format!("{project}/certificates/deactivate"),
        "/external_keys".into(),
        "/external_storage/a".into(),
        "/workload_identity_providers/a/federation_rules".into(),
    ] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let answer = world.request(method, &path).send().await.unwrap();
            refused(&answer, 400, Value::Null, "not_supported");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_of_what_nothing_here_does_is_empty_buckets() {
    let world = World::start(testkit::databases::sqlite()).await;
    let day = 86_400;
    let start = crate::world::START_S / day * day - 3 * day;
    for kind in [
        "moderations",
        "images",
        "audio_speeches",
        "audio_transcriptions",
        "vector_stores",
        "code_interpreter_sessions",
        "file_search_calls",
        "web_search_calls",
        "decisions",
    ] {
        let path = format!("/usage/{kind}?start_time={start}&group_by[]=project_id&limit=2");
        let page = world.get(&path).await.json();
        assert_eq!(page["object"], "page", "{kind}");
        let buckets = page["data"].as_array().unwrap();
        assert_eq!(
            (buckets.len(), &page["has_more"]),
            (2, &json!(true)),
            "{kind}"
        );
        assert!(buckets.iter().all(|bucket| bucket["results"] == json!([])));
        let bad = world
            .get(&format!("/usage/{kind}?start_time=1&group_by=colour"))
            .await;
        refused(&bad, 400, "group_by", "invalid_value");
    }
}
