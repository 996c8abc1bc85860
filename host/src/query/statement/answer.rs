//! What the columns of an answer are called, for ORDER BY to name them.

use datafusion::sql::sqlparser::ast::{Expr, Ident, OrderByExpr, SelectItem, SetExpr};

use super::super::error::SyntaxError;
use super::super::parse;

/// The output that an expression of ORDER BY names.
pub(super) fn find(outputs: &[String], expr: &Expr) -> Option<String> {
    let text = match expr {
        Expr::Identifier(ident) => ident.value.clone(),
        other => other.to_string(),
    };
    let exact = outputs.iter().find(|output| **output == text);
    let found = exact.or_else(|| {
        let mut outputs = outputs.iter();
        outputs.find(|output| output.eq_ignore_ascii_case(&text))
    });
    found.cloned()
}

/// ORDER BY of what is no single SELECT sees its answer and nothing else: columns by their names
/// and their numbers.
pub(super) fn order_answer(body: &SetExpr, orders: &mut [OrderByExpr]) -> Result<(), SyntaxError> {
    let outputs = answer(body);
    for order in orders {
        match (&order.expr, &outputs) {
            (Expr::Value(_), _) | (Expr::Identifier(_), None) => {}
            (expr, Some(outputs)) if let Some(output) = find(outputs, expr) => {
                order.expr = Expr::Identifier(Ident::with_quote('"', output));
            }
            (expr, outputs) => {
                let there = outputs.iter().flatten().map(String::as_str);
                let there = there.collect::<Vec<_>>().join(", ");
                return Err(SyntaxError::Refused(format!(
                    "ORDER BY `{}` is no column of the answer ({there}); after UNION, EXCEPT, \
                     INTERSECT and brackets it names a column or its number",
                    parse::abbreviated(&expr.to_string())
                )));
            }
        }
    }
    Ok(())
}

/// The columns of the answer of what is rewritten already; `None` where the plan alone knows them.
fn answer(body: &SetExpr) -> Option<Vec<String>> {
    match body {
        SetExpr::Select(select) => select.projection.iter().map(named).collect(),
        SetExpr::Query(query) => answer(&query.body),
        SetExpr::SetOperation { left, .. } => answer(left),
        _ => None,
    }
}

/// What a column of another table is called, too.
fn named(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::UnnamedExpr(Expr::Identifier(ident)) => Some(plain(ident)),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(idents)) => idents.last().map(plain),
        item => output(item),
    }
}

/// What a column of the answer will be called, as far as ORDER BY and others may refer to it.
pub(super) fn output(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::UnnamedExpr(Expr::Identifier(ident)) => Some(ident.value.clone()),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(_)) => None,
        SelectItem::UnnamedExpr(expr) => Some(expr.to_string()),
        item => alias(item),
    }
}

pub(super) fn alias(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(plain(alias)),
        _ => None,
    }
}

/// An identifier as plans hold it.
pub(super) fn plain(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_ascii_lowercase(),
    }
}
