//! What a request brings to admission: the most it can cost, and how far that may be lowered.

use std::sync::Arc;

use domain::admission::{Admission, Ask};
use domain::bound::TokenBound;
use domain::hold::Hold;
use domain::id::{KeyId, OrganizationId, ProjectId, RequestId};
use domain::money::Nusd;
use domain::price::PinnedPrice;

/// A stream that the money does not wholly pay for holds output in steps of this many tokens, so
/// that many of them share what there is.
const STEP_TOKENS: u64 = 2_048;

/// A request at the door.
#[derive(Clone, Debug)]
pub(crate) struct Bid {
    pub(crate) id: RequestId,
    pub(crate) organization: OrganizationId,
    pub(crate) project: ProjectId,
    pub(crate) key: KeyId,
    pub(crate) model: Arc<str>,
    pub(crate) endpoint: &'static str,
    pub(crate) price: PinnedPrice,
    /// The most tokens it can use.
    pub(crate) bound: TokenBound,
    /// How many answers it wants.
    pub(crate) choices: u64,
    /// The answer may be made shorter than `bound` says where the money does not pay for that.
    pub(crate) may_shorten: bool,
    /// A shorter answer is not worth having, unless a shorter one was asked for.
    pub(crate) min_output_tokens: u64,
    /// The answer begins as soon as the upstream's does, so the hold is wanted at once.
    pub(crate) stream: bool,
    /// Bytes of the prompt, for counting when the upstream does not.
    pub(crate) prompt_bytes: u64,
}

impl Bid {
    /// The most that tokens up to `bound` cost.
    pub(crate) fn amount(&self, bound: &TokenBound) -> Nusd {
        let price = &self.price.price;
        price.most(bound.input_tokens, bound.output_tokens)
    }

    /// What admission is asked for. Of the rate limit it takes all that was wanted, also where the
    /// money pays for less: a stream may still get there.
    pub(crate) fn ask(&self, bound: &TokenBound) -> Ask {
        let TokenBound {
            input_tokens,
            output_tokens,
            ..
        } = self.bound;
        Ask {
            id: self.id,
            project: self.project.clone(),
            key: self.key.clone(),
            model: Arc::clone(&self.model),
            amount: self.amount(bound),
            tokens: input_tokens.saturating_add(output_tokens),
        }
    }

    /// The bound that `room` pays for, if the answer may be shortened that far.
    pub(crate) fn shortened(&self, room: Nusd) -> Option<TokenBound> {
        if !self.may_shorten {
            return None;
        }
        let wanted_each = self.bound.output_tokens_each;
        let price = &self.price.price;
        let payable = price.output_tokens_within(room, self.bound.input_tokens)?;
        let payable_each = payable / self.choices.max(1);
        let most_each = match self.stream {
            true => wanted_each.min(STEP_TOKENS),
            false => wanted_each,
        };
        let each = payable_each.min(most_each);
        (each > 0 && each >= wanted_each.min(self.min_output_tokens))
            .then(|| self.bound.with_output(each, self.choices))
    }

    /// The least that is of use to it: of the shortest answer, if that may be shortened.
    pub(crate) fn least(&self) -> Nusd {
        let wanted_each = self.bound.output_tokens_each;
        let each = match self.may_shorten {
            true => wanted_each.min(self.min_output_tokens),
            false => wanted_each,
        };
        self.amount(&self.bound.with_output(each, self.choices))
    }

    /// The bound a stream grows to next from `bound`: a step further, never beyond what was wanted.
    pub(crate) fn next(&self, bound: &TokenBound) -> TokenBound {
        let each = bound.output_tokens_each.saturating_add(STEP_TOKENS);
        let each = each.min(self.bound.output_tokens_each);
        self.bound.with_output(each, self.choices)
    }

    /// The hold, once it is decided.
    pub(crate) fn hold(&self, amount: Nusd, admission: Admission) -> Hold {
        Hold {
            id: self.id,
            organization: self.organization.clone(),
            project: self.project.clone(),
            key: self.key.clone(),
            model: Arc::clone(&self.model),
            endpoint: self.endpoint,
            amount,
            price_id: self.price.id.clone(),
            markup: self.price.markup,
            price: self.price.price,
            cost: self.price.cost,
            admitted_at: admission.at,
            legs: admission.legs,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use domain::id::PriceId;
    use domain::markup::Markup;
    use domain::price::StatedPrices;
    use domain::time::AtUs;

    /// A token costs a nano-dollar, whichever it is.
    pub(in crate::admission) fn bid(output_tokens_each: u64, choices: u64, stream: bool) -> Bid {
        let a_nano_dollar = Nusd::new(1_000_000);
        let price = StatedPrices {
            input: a_nano_dollar,
            output: a_nano_dollar,
            ..StatedPrices::default()
        };
        Bid {
            id: RequestId::random(AtUs(0), |bytes| bytes.fill(7)),
            organization: OrganizationId::new("org-a"),
            project: ProjectId::new("proj_a"),
            key: KeyId::new("key_a"),
            model: "m".into(),
            endpoint: "chat",
            price: PinnedPrice {
                id: PriceId::new("price_a"),
                markup: Markup::NONE,
                price: price.into(),
                cost: price.into(),
            },
            bound: TokenBound {
                input_tokens: 100,
                media_tokens: 0,
                output_tokens: output_tokens_each * choices,
                output_tokens_each,
            },
            choices,
            may_shorten: true,
            min_output_tokens: 256,
            stream,
            prompt_bytes: 0,
        }
    }

    #[test]
    fn an_answer_is_shortened_to_what_the_money_pays_for_and_not_below_use() {
        // (wanted, choices, stream, room) -> output tokens each
        let table = [
            ((1_000, 1, false, 1_000), Some(900)),
            ((1_000, 1, false, 5_000), Some(1_000)),
            ((1_000, 1, false, 356), Some(256)),
            ((1_000, 1, false, 355), None),
            ((1_000, 1, false, 99), None),
            ((10, 1, false, 110), Some(10)),
            ((10, 1, false, 109), None),
            ((1_000, 3, false, 1_000), Some(300)),
            ((10_000, 1, true, 9_000), Some(2_048)),
            ((10_000, 1, true, 1_000), Some(900)),
            ((0, 1, false, 50), None),
        ];
        for ((wanted, choices, stream, room), want) in table {
            let bid = bid(wanted, choices, stream);
            let bound = bid.shortened(Nusd::new(room));
            assert_eq!(bound.map(|bound| bound.output_tokens_each), want);
            if let Some(bound) = bound {
                assert!(bid.amount(&bound) <= Nusd::new(room));
                assert_eq!(bound.output_tokens, bound.output_tokens_each * choices);
            }
            let unwilling = Bid {
                may_shorten: false,
                ..bid
            };
            assert_eq!(unwilling.shortened(Nusd::new(room)), None);
        }
    }

    #[test]
    fn a_stream_grows_in_steps_up_to_what_was_wanted() {
        let bid = bid(5_000, 2, true);
        let first = bid.shortened(Nusd::new(9_000)).expect("enough");
        let second = bid.next(&first);
        let third = bid.next(&second);
        let each = [first, second, third].map(|bound| bound.output_tokens_each);
        assert_eq!(each, [2_048, 4_096, 5_000]);
        assert_eq!(third, bid.bound);
    }
}
