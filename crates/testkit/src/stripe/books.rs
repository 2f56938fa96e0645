//! What the double knows: objects by id, movements on the account, and events, and how they come
//! about.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::cards::{self, Decline};

/// Everything there is.
#[derive(Default)]
pub(super) struct Books {
    /// The time, in seconds.
    pub(super) now_s: i64,
    /// Events, the oldest first.
    pub(super) events: Vec<Value>,
    /// Answers by idempotency key, with what was asked.
    pub(super) answered: HashMap<String, (String, u16, Value)>,
    /// Objects, the oldest first.
    objects: Vec<Value>,
    /// Numbers of the cards that were typed, by payment method. No object shows them.
    numbers: HashMap<String, String>,
    count: usize,
}

/// A refusal: its status, and what the error says.
#[derive(Debug)]
pub(super) struct Refusal(pub(super) u16, pub(super) Value);

impl Refusal {
    /// A refusal of what makes no sense.
    pub(super) fn invalid(code: &str, message: &str) -> Self {
        let error = json!({"type": "invalid_request_error", "code": code, "message": message});
        Refusal(if code == "resource_missing" { 404 } else { 400 }, error)
    }
}

impl Books {
    pub(super) fn object(&self, id: &str) -> Value {
        self.find(id).unwrap_or_else(|| panic!("there is no {id}"))
    }

    pub(super) fn find(&self, id: &str) -> Option<Value> {
        let object = self.objects.iter().find(|object| object["id"] == id);
        object.cloned()
    }

    pub(super) fn object_mut(&mut self, id: &str) -> &mut Value {
        let object = self.objects.iter_mut().find(|object| object["id"] == id);
        object.unwrap_or_else(|| panic!("there is no {id}"))
    }

    pub(super) fn of_kind(&self, kind: &str) -> Vec<Value> {
        let of_kind = |object: &&Value| object["object"] == kind;
        self.objects.iter().filter(of_kind).cloned().collect()
    }

    pub(super) fn forget(&mut self, id: &str) {
        self.objects.retain(|object| object["id"] != id);
    }

    /// Keeps a new object, under a new id; both are answered in it.
    pub(super) fn add(&mut self, prefix: &str, kind: &str, mut object: Value) -> Value {
        self.count += 1;
        object["id"] = json!(format!("{prefix}_double{}", self.count));
        object["object"] = json!(kind);
        object["created"] = json!(self.now_s);
        object["livemode"] = json!(false);
        self.objects.push(object.clone());
        object
    }

    /// Tells what happened to an object, as it is now.
    pub(super) fn tell(&mut self, kind: &str, id: &str) {
        let number = self.events.len() + 1;
        let object = self.object(id);
        // The version of the account, which is not the client's.
        self.events.push(json!({
            "id": format!("evt_double{number}"), "object": "event", "api_version": "2020-08-27",
            "created": self.now_s, "livemode": false, "type": kind, "data": {"object": object},
        }));
    }

    pub(super) fn type_card(&mut self, session: &str, number: &str) -> bool {
        let page = self.object(session);
        assert_eq!(page["status"], "open", "{session} is open");
        let said = cards::on_page(number);
        let is_payment = page["mode"] == "payment";
        let keeps = !is_payment || page["saves_card"] == true;
        let owner = page["customer"].as_str().expect("a customer").to_owned();
        if !is_payment && said.is_err() {
            return false;
        }
        let method = self.card(number);
        if keeps && said.is_ok() {
            self.object_mut(&method)["customer"] = json!(owner);
            self.tell("payment_method.attached", &method);
        }
        if !is_payment {
            self.leave(session, &method);
            return true;
        }
        let intent = self.intent_of(session, "requires_payment_method");
        if let Err(decline) = said {
            self.decline(&intent, &method, decline);
            return false;
        }
        self.object_mut(&intent)["payment_method"] = json!(method);
        self.succeed(&intent);
        self.complete(session, "paid");
        true
    }

    pub(super) fn pay_slowly(&mut self, session: &str) {
        self.intent_of(session, "processing");
        self.complete(session, "unpaid");
    }

    pub(super) fn end_slow_payment(&mut self, session: &str, arrives: bool) {
        let intent = self.object(session)["payment_intent"].clone();
        let intent = intent.as_str().expect("it was paid slowly").to_owned();
        match arrives {
            true => {
                self.succeed(&intent);
                self.object_mut(session)["payment_status"] = json!("paid");
                self.tell("checkout.session.async_payment_succeeded", session);
            }
            false => {
                self.object_mut(&intent)["status"] = json!("requires_payment_method");
                self.tell("payment_intent.payment_failed", &intent);
                self.tell("checkout.session.async_payment_failed", session);
            }
        }
    }

    pub(super) fn expire(&mut self, session: &str) {
        let page = self.object_mut(session);
        (page["status"], page["url"]) = (json!("expired"), Value::Null);
        self.tell("checkout.session.expired", session);
    }

    pub(super) fn pay_elsewhere(&mut self, customer: &str, cents: i64, known_by: &Value) -> String {
        let intent = self.add(
            "pi",
            "payment_intent",
            json!({
                "amount": cents, "amount_received": 0, "currency": "usd", "customer": customer,
                "payment_method": null, "latest_charge": null, "last_payment_error": null,
                "metadata": known_by, "status": "processing",
            }),
        );
        let intent = text(&intent, "id");
        self.succeed(&intent);
        intent
    }

    /// An intent takes the money.
    pub(super) fn succeed(&mut self, intent: &str) {
        let paid = self.object(intent);
        let charge = self.add(
            "ch",
            "charge",
            json!({
                "amount": paid["amount"], "amount_refunded": 0, "refunded": false,
                "currency": paid["currency"], "payment_intent": intent, "status": "succeeded",
                "metadata": paid["metadata"], "customer": paid["customer"], "paid": true,
            }),
        );
        let charge = text(&charge, "id");
        let object = self.object_mut(intent);
        object["status"] = json!("succeeded");
        object["amount_received"] = paid["amount"].clone();
        object["latest_charge"] = json!(charge);
        let cents = paid["amount"].as_i64().expect("an amount");
        self.moved("charge", "charge", &charge, cents);
        self.tell("charge.succeeded", &charge);
        self.tell("payment_intent.succeeded", intent);
    }

    /// An intent does not get the money, and says why.
    pub(super) fn decline(&mut self, intent: &str, method: &str, decline: Decline) -> Refusal {
        let (code, reason) = decline;
        let mut error = json!({
            "type": "card_error", "code": code, "decline_code": reason,
            "message": "Your card was declined.",
        });
        let object = self.object_mut(intent);
        object["status"] = json!("requires_payment_method");
        object["payment_method"] = Value::Null;
        object["last_payment_error"] = error.clone();
        object["last_payment_error"]["payment_method"] = json!({"id": method});
        error["payment_intent"] = object.clone();
        self.tell("payment_intent.payment_failed", intent);
        Refusal(402, error)
    }

    /// The bank asks the card's owner, on a page.
    pub(super) fn ask_owner(&mut self, intent: &str, method: &str, return_url: &str) {
        let object = self.object_mut(intent);
        let url = format!("https://hooks.stripe.com/3d_secure/{intent}");
        object["status"] = json!("requires_action");
        object["payment_method"] = json!(method);
        object["next_action"] = json!({
            "type": "redirect_to_url", "redirect_to_url": {"url": url, "return_url": return_url},
        });
        self.tell("payment_intent.requires_action", intent);
    }

    pub(super) fn agree(&mut self, intent: &str, agrees: bool) {
        let object = self.object_mut(intent);
        assert_eq!(object["status"], "requires_action");
        object["next_action"] = Value::Null;
        let method = text(object, "payment_method");
        match agrees {
            true => self.succeed(intent),
            false => {
                let code = "payment_intent_authentication_failure";
                self.decline(intent, &method, (code, None));
            }
        }
    }

    pub(super) fn refund(
        &mut self,
        intent: &str,
        cents: i64,
        known_by: &Value,
    ) -> Result<Value, Refusal> {
        let missing = Refusal::invalid("resource_missing", "No such payment_intent");
        let paid = self.find(intent).ok_or(missing)?;
        let charge = paid["latest_charge"].as_str().map(ToOwned::to_owned);
        let not_paid = Refusal::invalid("payment_intent_unexpected_state", "It was not paid.");
        let charge = charge.ok_or(not_paid)?;
        let taken = self.object_mut(&charge);
        let given = taken["amount_refunded"].as_i64().unwrap_or(0) + cents;
        if cents <= 0 || Some(given) > taken["amount"].as_i64() {
            let message = "Refund amount is greater than unrefunded amount on charge";
            return Err(Refusal::invalid("charge_already_refunded", message));
        }
        taken["amount_refunded"] = json!(given);
        taken["refunded"] = json!(Some(given) == taken["amount"].as_i64());
        let refund = self.add(
            "re",
            "refund",
            json!({
                "amount": cents, "currency": paid["currency"], "charge": charge,
                "payment_intent": intent, "status": "succeeded", "metadata": known_by,
            }),
        );
        let id = text(&refund, "id");
        self.moved("refund", "refund", &id, -cents);
        self.tell("refund.created", &id);
        self.tell("charge.refunded", &charge);
        Ok(refund)
    }

    pub(super) fn fail_refund(&mut self, refund: &str) {
        let object = self.object_mut(refund);
        object["status"] = json!("failed");
        object["failure_reason"] = json!("lost_or_stolen_card");
        let (charge, cents) = (text(object, "charge"), object["amount"].as_i64());
        let cents = cents.expect("an amount");
        let taken = self.object_mut(&charge);
        taken["amount_refunded"] = json!(taken["amount_refunded"].as_i64().unwrap_or(0) - cents);
        taken["refunded"] = json!(false);
        self.moved("refund_failure", "refund_failure", refund, cents);
        self.tell("refund.updated", refund);
        self.tell("refund.failed", refund);
    }

    pub(super) fn dispute(&mut self, intent: &str, cents: i64) -> String {
        let paid = self.object(intent);
        let dispute = self.add(
            "dp",
            "dispute",
            json!({
                "amount": cents, "currency": paid["currency"], "charge": paid["latest_charge"],
                "payment_intent": intent, "reason": "fraudulent", "status": "needs_response",
                "metadata": {},
            }),
        );
        let id = text(&dispute, "id");
        self.moved("adjustment", "dispute", &id, -cents);
        self.tell("charge.dispute.created", &id);
        id
    }

    pub(super) fn close_dispute(&mut self, dispute: &str, is_won: bool) {
        let object = self.object_mut(dispute);
        object["status"] = json!(if is_won { "won" } else { "lost" });
        let cents = object["amount"].as_i64().expect("an amount");
        if is_won {
            self.moved("adjustment", "dispute_reversal", dispute, cents);
        }
        self.tell("charge.dispute.closed", dispute);
    }

    /// A new card, which is nobody's yet.
    fn card(&mut self, number: &str) -> String {
        let last4 = cards::last4(number);
        let card = json!({
            "brand": "visa", "last4": last4, "exp_month": 12, "exp_year": 2034,
            "fingerprint": format!("print{last4}"),
        });
        let object = json!({"type": "card", "customer": null, "card": card, "metadata": {}});
        let method = text(&self.add("pm", "payment_method", object), "id");
        self.numbers.insert(method.clone(), number.to_owned());
        method
    }

    /// The number of a saved card.
    pub(super) fn number(&self, method: &str) -> Option<String> {
        self.numbers.get(method).cloned()
    }

    fn leave(&mut self, session: &str, method: &str) {
        let page = self.object(session);
        let setup = self.add(
            "seti",
            "setup_intent",
            json!({
                "customer": page["customer"], "payment_method": method, "status": "succeeded",
                "usage": "off_session", "metadata": page["intent_metadata"],
            }),
        );
        let setup = text(&setup, "id");
        self.object_mut(session)["setup_intent"] = json!(setup);
        self.tell("setup_intent.succeeded", &setup);
        self.complete(session, "no_payment_required");
    }

    /// The intent of a session: there is none before somebody pays.
    fn intent_of(&mut self, session: &str, status: &str) -> String {
        let page = self.object(session);
        if let Some(intent) = page["payment_intent"].as_str() {
            self.object_mut(intent)["status"] = json!(status);
            return intent.to_owned();
        }
        let intent = self.add(
            "pi",
            "payment_intent",
            json!({
                "amount": page["amount_total"], "amount_received": 0, "status": status,
                "currency": page["currency"], "customer": page["customer"],
                "payment_method": null, "latest_charge": null, "last_payment_error": null,
                "metadata": page["intent_metadata"],
            }),
        );
        let intent = text(&intent, "id");
        self.object_mut(session)["payment_intent"] = json!(intent);
        intent
    }

    fn complete(&mut self, session: &str, payment_status: &str) {
        let page = self.object_mut(session);
        (page["status"], page["url"]) = (json!("complete"), Value::Null);
        page["payment_status"] = json!(payment_status);
        self.tell("checkout.session.completed", session);
    }

    /// A movement on the account, which is kept in euros at 0.90 to the dollar, without fees: what
    /// it says of amounts is not what was paid.
    fn moved(&mut self, kind: &str, category: &str, source: &str, cents: i64) {
        let movement = json!({
            "amount": cents * 9 / 10, "currency": "eur", "exchange_rate": 0.9, "fee": 0,
            "source": source, "reporting_category": category, "type": kind,
        });
        self.add("txn", "balance_transaction", movement);
    }
}

/// A member that is a text.
pub(super) fn text(object: &Value, name: &str) -> String {
    let text = object[name].as_str();
    text.unwrap_or_else(|| panic!("{name} of {object}"))
        .to_owned()
}
