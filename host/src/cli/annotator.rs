//! `--annotator`: who judges.

use clap::ValueEnum;
use roost::contract::AnnotatorKind;

/// Who judges.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Annotator {
    Human,
    Llm,
    Code,
}

impl From<Annotator> for AnnotatorKind {
    fn from(annotator: Annotator) -> Self {
        match annotator {
            Annotator::Human => Self::Human,
            Annotator::Llm => Self::Llm,
            Annotator::Code => Self::Code,
        }
    }
}
