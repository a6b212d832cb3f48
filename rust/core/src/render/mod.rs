//! From a selection to the text that reaches the model, and never more tokens of it than allowed.
//!
//! * [`Template`] puts a memory into its frame, escaped so that it can neither close the frame nor open
//!   another ([`Guards`]);
//! * [`Order`] says in which order the memories stand;
//! * [`Prompt`] is the assembled text;
//! * [`Apart`] says who does not stand beside whom;
//! * [`claims`](claims::claims) says who may stand in it, and how firmly;
//! * [`fit`](fit::fit) evicts and refills until the text as a whole, counted, fits under a ceiling;
//! * [`epoch`] goes on with the text of the call before, where it can;
//! * [`MessageFormat`] says what a provider adds around it;
//! * [`truncate`](truncate::truncate) cuts a text that is too long at the end of a sentence.
//!
//! How tokens are counted is the caller's business: everything here takes a closure.

mod apart;
mod assemble;
pub(crate) mod choose;
pub mod claims;
pub mod epoch;
pub mod fit;
mod fold;
mod guard;
pub(crate) mod joined;
mod messages;
mod order;
mod slot;
pub(crate) mod span;
mod template;
pub mod truncate;

pub use apart::Apart;
pub use assemble::{Framed, Prompt};
pub use guard::Guards;
pub use messages::MessageFormat;
pub use order::{Key, Order, arrange};
pub use slot::{Part, Slot, TemplateError};
pub use template::{Memory, Source, Template};
