//! What a provider says of itself (OpenID Connect Discovery 1.0): where one signs in, and where
//! its keys are.

use serde_json::{Map, Value};

/// Follows the issuer.
pub(super) const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// What is needed of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Metadata {
    pub(super) authorization_endpoint: String,
    pub(super) token_endpoint: String,
    pub(super) jwks_uri: String,
    /// Tells what an ID token leaves out.
    pub(super) userinfo_endpoint: Option<String>,
    /// Whether the client's secret goes into the form, because the provider takes it no other way.
    pub(super) wants_secret_in_form: bool,
    /// Whether every callback names the issuer (RFC 9207).
    pub(super) names_issuer: bool,
}

impl Metadata {
    /// Reads what was found at the issuer's address.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(document: &Map<String, Value>, issuer: &str) -> Result<Self, String> {
        let text = |name: &str| document.get(name).and_then(Value::as_str);
        match text("issuer") {
            Some(named) if named == issuer => {}
            Some(named) => return Err(format!("it calls itself {named:?}, not {issuer:?}")),
            None => return Err("it does not say who it is".into()),
        }
        let is_secure = issuer.starts_with("https://");
        let endpoint = |name: &str| match text(name) {
            Some(url) if url.starts_with("https://") || !is_secure => Ok(url.to_owned()),
            Some(_) => Err(format!("its {name} is not https")),
            None => Err(format!("it has no {name}")),
        };
        let methods = document.get("token_endpoint_auth_methods_supported");
        let methods = methods.and_then(Value::as_array);
        let takes = |method: &str| methods.is_some_and(|it| it.iter().any(|it| it == method));
        let names_issuer = document.get("authorization_response_iss_parameter_supported");
        Ok(Metadata {
            authorization_endpoint: endpoint("authorization_endpoint")?,
            token_endpoint: endpoint("token_endpoint")?,
            jwks_uri: endpoint("jwks_uri")?,
            userinfo_endpoint: text("userinfo_endpoint")
                .map(|_| endpoint("userinfo_endpoint"))
                .transpose()?,
            wants_secret_in_form: takes("client_secret_post") && !takes("client_secret_basic"),
            names_issuer: names_issuer == Some(&Value::Bool(true)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ISSUER: &str = "https://sso.example.com/realms/acme";

    fn document() -> Value {
        json!({
            "issuer": ISSUER,
            "authorization_endpoint": "https://sso.example.com/auth?x=1",
            "token_endpoint": "https://sso.example.com/token",
            "jwks_uri": "https://keys.example.com/",
        })
    }

    fn read(document: &Value) -> Result<Metadata, String> {
        Metadata::read(document.as_object().expect("an object"), ISSUER)
    }

    #[test]
    fn what_is_needed_is_read() {
        let least = read(&document()).expect("enough");
        assert_eq!(least.userinfo_endpoint, None);
        assert!(!least.wants_secret_in_form && !least.names_issuer);
        for (methods, in_form) in [
            (json!(["client_secret_basic", "client_secret_post"]), false),
            (json!(["client_secret_post"]), true),
            (json!(["private_key_jwt"]), false),
        ] {
            let mut more = document();
            more["token_endpoint_auth_methods_supported"] = methods;
            more["authorization_response_iss_parameter_supported"] = json!(true);
            let more = read(&more).expect("more");
            assert!(more.names_issuer);
            assert_eq!(more.wants_secret_in_form, in_form);
        }
    }

    #[test]
    fn a_document_of_another_issuer_or_without_tls_is_refused() {
        for (name, value, wrong) in [
            ("issuer", json!("https://sso.example.com"), "calls itself"),
            ("issuer", json!(format!("{ISSUER}/")), "calls itself"),
            ("issuer", json!(null), "does not say who it is"),
            ("token_endpoint", json!(null), "no token_endpoint"),
            ("jwks_uri", json!(7), "no jwks_uri"),
            ("token_endpoint", json!("http://a.example/"), "not https"),
            ("userinfo_endpoint", json!("http://a.example/"), "not https"),
        ] {
            let mut document = document();
            document[name] = value;
            let problem = read(&document).expect_err(name);
            assert!(problem.contains(wrong), "{problem}");
        }
    }
}
