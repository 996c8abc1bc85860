//! Names as they are written, and the columns they become.

use datafusion::sql::sqlparser::ast::{AccessExpr, Expr, Ident, Subscript, Value, ValueWithSpan};

use super::{Rewriter, refused};
use crate::query::error::SyntaxError;
use crate::query::names::{self, Name, Part};
use crate::query::parse;
use crate::query::schema::{Column, ValueType};

impl Rewriter {
    /// Put a column in the place of a name.
    pub(super) fn name(
        &mut self,
        expr: &mut Expr,
        want: Option<ValueType>,
    ) -> Result<(), SyntaxError> {
        let Some((parts, first)) = path(expr) else {
            return Err(refused(&format!(
                "`{}`",
                parse::abbreviated(&expr.to_string())
            )));
        };
        let (table, parts) = match self.table_of(&parts) {
            Some(table) => (Some(table), parts.get(1..).unwrap_or_default()),
            None => (None, parts.as_slice()),
        };
        if self.is_foreign(parts) && table.is_none() {
            return Ok(());
        }
        let Some(name) = names::resolve(parts) else {
            return if self.may_be_foreign(parts) {
                Ok(())
            } else {
                Err(names::unknown(parts, first.as_ref()))
            };
        };
        let column = match name {
            Name::Column(column) => column,
            Name::Attribute(key) => {
                let kind = want.unwrap_or_else(|| names::usual_type(&key));
                Column::Attribute(key, kind)
            }
        };
        let ident = Ident::with_quote('"', column.name());
        *expr = match table {
            Some(table) => Expr::CompoundIdentifier(vec![Ident::with_quote('"', table), ident]),
            None => Expr::Identifier(ident),
        };
        self.columns.insert(column);
        Ok(())
    }
}

/// The parts of a name, and where it stands; `None` for what is no name.
pub(super) fn path(expr: &Expr) -> Option<(Vec<Part>, Option<Ident>)> {
    match expr {
        Expr::Identifier(ident) => Some((vec![ident.into()], Some(ident.clone()))),
        Expr::CompoundIdentifier(idents) => Some((
            idents.iter().map(Part::from).collect(),
            idents.first().cloned(),
        )),
        Expr::CompoundFieldAccess { root, access_chain } => {
            let (mut parts, first) = match &**root {
                Expr::Identifier(_) | Expr::CompoundIdentifier(_) => path(root)?,
                _ => return None,
            };
            for access in access_chain {
                parts.push(match access {
                    AccessExpr::Dot(Expr::Identifier(ident)) => ident.into(),
                    AccessExpr::Subscript(Subscript::Index {
                        index:
                            Expr::Value(ValueWithSpan {
                                value: Value::SingleQuotedString(key),
                                ..
                            }),
                    }) => Part {
                        text: key.clone(),
                        exact: true,
                    },
                    // `attributes["llm.model_name"]`, as Python writes it.
                    AccessExpr::Subscript(Subscript::Index {
                        index: Expr::Identifier(ident),
                    }) if ident.quote_style.is_some() => ident.into(),
                    _ => return None,
                });
            }
            Some((parts, first))
        }
        _ => None,
    }
}
