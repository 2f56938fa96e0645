//! What a file of prices would change in the price book, model by model.

use std::collections::HashMap;

use domain::money::Nusd;
use domain::price::{PriceEntry, PriceHistory, UnitPrices};
use domain::time::AtUs;
use domain::usage::UsageClass;
use store::prices::Stated;

use crate::price_file::PriceFile;

/// What the costs in a file are taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// What the operator pays; what customers pay stays.
    Cost,
    /// What customers pay; what the operator pays stays.
    Price,
    /// What the operator pays, and with so many millionths on top what customers pay.
    MarkedUp(u32),
}

/// How models find their entries, and what these are taken for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Only entries of this provider.
    pub provider: Option<String>,
    /// Entries of models by name; others have that of their own name.
    pub names: HashMap<String, String>,
    /// What their costs are taken for.
    pub taken: Taken,
}

/// A model of the configuration.
#[derive(Clone, Debug)]
pub struct Offered {
    /// Its public name.
    pub id: String,
    /// Its window.
    pub context_tokens: u64,
}

/// What an import would change of a model, or did.
#[derive(Clone, Debug)]
pub struct Line {
    /// The model's public name.
    pub model: String,
    /// The name of its entry in the file; none if there is none.
    pub entry: Option<String>,
    /// What is to become of its price.
    pub change: Change,
    /// What is to be known of it.
    pub notes: Vec<String>,
}

/// What is to become of a model's price.
#[derive(Clone, Debug)]
pub enum Change {
    /// It has none, and gets one.
    New(Stated),
    /// It gets another one in place of this.
    Changed(PriceEntry, Stated),
    /// It has that price.
    Unchanged,
    /// The entry cannot be imported, for this reason.
    Unsupported(String),
    /// The file does not know the model.
    Unknown,
}

/// A price of one class that changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which.
    pub class: UsageClass,
    /// What it was; none if there was none.
    pub from: Option<Nusd>,
    /// What it is to be.
    pub to: Nusd,
}

impl Step {
    /// By how much, in per cents with a decimal, such as `+20.0%`; none where that says nothing.
    #[must_use]
    pub fn percent(&self) -> Option<String> {
        let from = i128::from(self.from.filter(|from| *from > Nusd::ZERO)?.get());
        let more = i128::from(self.to.get()) - from;
        let tenths = (more.abs() * 1_000 + from / 2) / from;
        let sign = if more < 0 { '-' } else { '+' };
        Some(format!("{sign}{}.{}%", tenths / 10, tenths % 10))
    }
}

impl Change {
    /// Its word.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Change::New(_) => "new",
            Change::Changed(..) => "changed",
            Change::Unchanged => "unchanged",
            Change::Unsupported(_) => "unsupported",
            Change::Unknown => "unknown",
        }
    }

    /// The price that is to be added to the book.
    #[must_use]
    pub fn stated(&self) -> Option<&Stated> {
        match self {
            Change::New(stated) | Change::Changed(_, stated) => Some(stated),
            Change::Unchanged | Change::Unsupported(_) | Change::Unknown => None,
        }
    }

    /// What changes of what customers pay, class by class, and of what the operator pays.
    #[must_use]
    pub fn steps(&self) -> [Vec<Step>; 2] {
        match self {
            Change::New(stated) => [steps(None, &stated.price), steps(None, &stated.cost)],
            Change::Changed(from, stated) => [
                steps(Some(&from.price), &stated.price),
                steps(Some(&from.cost), &stated.cost),
            ],
            Change::Unchanged | Change::Unsupported(_) | Change::Unknown => [vec![], vec![]],
        }
    }
}

fn steps(from: Option<&UnitPrices>, to: &UnitPrices) -> Vec<Step> {
    let step = |class: UsageClass| Step {
        class,
        from: from.map(|from| from.of(class)),
        to: to.of(class),
    };
    let steps = UsageClass::ALL.into_iter().map(step);
    steps.filter(|step| step.from != Some(step.to)).collect()
}

/// What the file would change of each of these models.
pub(crate) fn compare(
    file: &PriceFile,
    models: &[Offered],
    histories: &HashMap<String, PriceHistory>,
    wanted: &Wanted,
    now: AtUs,
) -> Vec<Line> {
    let none = PriceHistory::default();
    let line = |model: &Offered| {
        let history = histories.get(&model.id).unwrap_or(&none);
        line(file, model, history, wanted, now)
    };
    models.iter().map(line).collect()
}

fn line(
    file: &PriceFile,
    model: &Offered,
    history: &PriceHistory,
    wanted: &Wanted,
    now: AtUs,
) -> Line {
    let name = match wanted.names.get(&model.id) {
        Some(name) => Some(name.clone()),
        None => file.find(&model.id, wanted.provider.as_deref()),
    };
    let found = name
        .as_ref()
        .and_then(|name| file.entry(name, model.context_tokens));
    let (change, mut notes) = match found {
        None => (Change::Unknown, Vec::new()),
        Some(Err(reason)) => (Change::Unsupported(reason), Vec::new()),
        Some(Ok(entry)) => {
            let costs = UnitPrices::from(entry.costs);
            let in_force = history.in_force(now);
            (
                change(&model.id, costs, in_force, wanted.taken),
                entry.notes,
            )
        }
    };
    if let (Some(_), Some(next)) = (change.stated(), history.next(now)) {
        notes.push(format!(
            "{} is to follow it, from {} on",
            next.id,
            next.effective_at.to_utc()
        ));
    }
    Line {
        model: model.id.clone(),
        entry: name.filter(|_| !matches!(change, Change::Unknown)),
        change,
        notes,
    }
}

fn change(model: &str, costs: UnitPrices, in_force: Option<&PriceEntry>, taken: Taken) -> Change {
    let free = UnitPrices::by_class([Nusd::ZERO; 9]);
    let (price, cost) = match taken {
        Taken::MarkedUp(millionths) => (costs.marked_up(millionths.into()), costs),
        Taken::Price => (costs, in_force.map_or(free, |entry| entry.cost)),
        Taken::Cost => match in_force {
            Some(entry) => (entry.price, costs),
            None => {
                let reason = "it has no price yet: say --markup or --as price";
                return Change::Unsupported(reason.into());
            }
        },
    };
    let stated = Stated {
        model: model.to_owned(),
        price,
        cost,
    };
    match in_force {
        None => Change::New(stated),
        Some(entry) if entry.price == price && entry.cost == cost => Change::Unchanged,
        Some(entry) => Change::Changed(entry.clone(), stated),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::id::PriceId;

    const FILE: &str = r#"{
        "acme/a": {
            "input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06,
            "litellm_provider": "acme"
        },
        "b-2026": {"input_cost_per_token": 3e-06, "output_cost_per_token": 6e-06}
    }"#;

    fn prices(input: i64, output: i64) -> UnitPrices {
        let stated = domain::price::StatedPrices {
            input: Nusd::new(input * 1_000_000_000),
            output: Nusd::new(output * 1_000_000_000),
            ..Default::default()
        };
        stated.into()
    }

    fn compared(taken: Taken) -> Vec<Line> {
        let file = PriceFile::parse(FILE).expect("a file");
        let offered = |id: &str| Offered {
            id: id.into(),
            context_tokens: 8_192,
        };
        let entry = PriceEntry {
            id: PriceId::new("price_1"),
            effective_at: AtUs(1),
            price: prices(5, 5),
            cost: prices(1, 2),
        };
        let history = PriceHistory::new(vec![entry]);
        let wanted = Wanted {
            provider: Some("acme".into()),
            names: [("b".to_owned(), "b-2026".to_owned())].into(),
            taken,
        };
        let models = ["a", "b", "c"].map(offered);
        compare(
            &file,
            &models,
            &[("a".to_owned(), history)].into(),
            &wanted,
            AtUs(2),
        )
    }

    #[test]
    fn costs_are_taken_for_what_was_said() {
        let names = |taken| {
            let lines = compared(taken);
            lines
                .iter()
                .map(|line| line.change.name())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(Taken::Cost), ["unchanged", "unsupported", "unknown"]);
        assert_eq!(names(Taken::Price), ["changed", "new", "unknown"]);
        let lines = compared(Taken::MarkedUp(500_000));
        let stated = lines[1].change.stated().expect("it is new");
        assert_eq!(stated.cost, prices(3, 6));
        assert_eq!(
            stated.price.of(UsageClass::FreshInput),
            Nusd::new(4_500_000_000)
        );
        assert_eq!(lines[1].entry.as_deref(), Some("b-2026"));
        let lines = compared(Taken::Price);
        let stated = lines[0].change.stated().expect("it changes");
        assert_eq!((stated.price, stated.cost), (prices(1, 2), prices(1, 2)));
        let [price, cost] = lines[0].change.steps();
        let percents: Vec<_> = price.iter().filter_map(Step::percent).collect();
        assert_eq!(
            (percents.len(), cost.len()),
            (8, 0),
            "all but the request's"
        );
        assert_eq!((&*percents[0], &*percents[3]), ("-80.0%", "-60.0%"));
    }

    #[test]
    fn per_cents_are_rounded_to_a_tenth() {
        let percent = |from: i64, to: i64| {
            let step = Step {
                class: UsageClass::Output,
                from: Some(Nusd::new(from)),
                to: Nusd::new(to),
            };
            step.percent()
        };
        assert_eq!(percent(3, 4).as_deref(), Some("+33.3%"));
        assert_eq!(percent(3, 2).as_deref(), Some("-33.3%"));
        assert_eq!(percent(2_000, 2_003).as_deref(), Some("+0.2%"));
        assert_eq!(percent(0, 2), None);
    }
}
