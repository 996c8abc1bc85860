//! Statements over the tables `spans`: which names are columns of spans, and which belong to
//! common table expressions and derived tables, whose columns are plain already.

mod answer;

use datafusion::sql::sqlparser::ast::{
    Distinct, Expr, GroupByExpr, Ident, JoinConstraint, JoinOperator, ObjectName, OrderBy,
    OrderByKind, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableAlias,
    TableFactor, TableWithJoins, WildcardAdditionalOptions,
};

use self::answer::{alias, find, order_answer, output, plain};
use super::error::SyntaxError;
use super::names::Part;
use super::rewrite::{Rewriter, refused};
use super::schema::Column;

/// What each table of spans is called, after its owner.
pub(super) const TABLE: &str = "spans";

/// What the names of one SELECT can refer to.
#[derive(Debug, Default)]
pub(super) struct Scope {
    /// What `spans` is called in FROM: more than once where it is joined with itself.
    spans: Vec<String>,
    /// What other tables are called.
    others: Vec<String>,
    /// What the columns of the answer are called.
    outputs: Vec<String>,
    /// Those that were named with AS.
    aliases: Vec<String>,
}

impl Scope {
    fn relations(&self) -> usize {
        self.spans.len() + self.others.len()
    }
}

impl Rewriter {
    /// Rewrite the names of a query and of those inside it.
    pub(super) fn query(&mut self, query: &mut Query) -> Result<(), SyntaxError> {
        let outside = self.ctes.len();
        if let Some(with) = &mut query.with {
            if with.recursive {
                return Err(refused("WITH RECURSIVE"));
            }
            for cte in &mut with.cte_tables {
                self.query(&mut cte.query)?;
                self.ctes.push(plain(&cte.alias.name));
            }
        }
        self.body(&mut query.body, query.order_by.as_mut())?;
        self.ctes.truncate(outside);
        Ok(())
    }

    fn body(&mut self, body: &mut SetExpr, order: Option<&mut OrderBy>) -> Result<(), SyntaxError> {
        match body {
            SetExpr::Select(select) => return self.select(select, order),
            SetExpr::Query(query) => self.query(query)?,
            SetExpr::SetOperation { left, right, .. } => {
                self.body(left, None)?;
                self.body(right, None)?;
            }
            SetExpr::Values(values) => {
                self.scopes.push(Scope::default());
                let mut exprs = values
                    .rows
                    .iter_mut()
                    .flat_map(|row| row.content.iter_mut());
                let done = exprs.try_for_each(|expr| self.expr(expr, None));
                self.scopes.pop();
                done?;
            }
            other => return Err(refused(&format!("`{other}`"))),
        }
        match order.map(|order| &mut order.kind) {
            Some(OrderByKind::Expressions(orders)) => order_answer(body, orders),
            _ => Ok(()),
        }
    }

    fn select(
        &mut self,
        select: &mut Select,
        order: Option<&mut OrderBy>,
    ) -> Result<(), SyntaxError> {
        if select.into.is_some() {
            return Err(refused("SELECT INTO"));
        }
        if !select.lateral_views.is_empty() || !select.named_window.is_empty() {
            return Err(refused("LATERAL VIEW and WINDOW"));
        }
        let mut scope = Scope::default();
        for table in &mut select.from {
            self.relation(&mut table.relation, &mut scope)?;
            for join in &mut table.joins {
                self.relation(&mut join.relation, &mut scope)?;
            }
        }
        scope.outputs = select.projection.iter().filter_map(output).collect();
        scope.aliases = select.projection.iter().filter_map(alias).collect();
        self.scopes.push(scope);
        let done = self.clauses(select, order);
        self.scopes.pop();
        done
    }

    fn clauses(
        &mut self,
        select: &mut Select,
        order: Option<&mut OrderBy>,
    ) -> Result<(), SyntaxError> {
        for TableWithJoins { joins, .. } in &mut select.from {
            for join in joins {
                self.join(&mut join.join_operator)?;
            }
        }
        if let Some(Distinct::On(exprs)) = &mut select.distinct {
            exprs
                .iter_mut()
                .try_for_each(|expr| self.expr(expr, None))?;
        }
        for item in std::mem::take(&mut select.projection) {
            self.item(item, &mut select.projection)?;
        }
        if let Some(condition) = &mut select.selection {
            self.expr(condition, None)?;
        }
        if let GroupByExpr::Expressions(exprs, _) = &mut select.group_by {
            exprs
                .iter_mut()
                .try_for_each(|expr| self.expr(expr, None))?;
        }
        for condition in select.having.iter_mut().chain(&mut select.qualify) {
            self.expr(condition, None)?;
        }
        let Some(OrderByKind::Expressions(orders)) = order.map(|order| &mut order.kind) else {
            return Ok(());
        };
        for order in orders {
            // What stands in the answer is meant before what stands in the table.
            match self.answered(&order.expr) {
                Some(output) => order.expr = Expr::Identifier(Ident::with_quote('"', output)),
                None => self.expr(&mut order.expr, None)?,
            }
        }
        Ok(())
    }

    fn relation(&mut self, table: &mut TableFactor, scope: &mut Scope) -> Result<(), SyntaxError> {
        match table {
            TableFactor::Table {
                name,
                alias,
                args: None,
                ..
            } => {
                let written = name.0.iter().map(|part| part.as_ident().map(Part::from));
                let written: Vec<Part> = written.collect::<Option<_>>().unwrap_or_default();
                let called = match (&*alias, written.last()) {
                    (Some(alias), _) => plain(&alias.name),
                    (None, Some(last)) => last.text.to_ascii_lowercase(),
                    (None, None) => String::new(),
                };
                if let [part] = &*written
                    && self.ctes.iter().any(|cte| part.is(cte))
                {
                    scope.others.push(called);
                    return Ok(());
                }
                let Some(table) = self.table(&written) else {
                    return Err(SyntaxError::UnknownTable {
                        name: name.to_string(),
                        there: self.tables(),
                    });
                };
                if scope.spans.contains(&called) {
                    return Err(refused(&format!(
                        "two tables called `{called}`; give one another name with AS: this"
                    )));
                }
                if alias.is_none() && called != table {
                    *alias = Some(TableAlias {
                        explicit: true,
                        name: Ident::with_quote('"', &called),
                        columns: Vec::new(),
                        at: None,
                    });
                }
                *name = ObjectName::from(vec![Ident::with_quote('"', table)]);
                scope.spans.push(called);
                Ok(())
            }
            TableFactor::Derived {
                lateral: false,
                subquery,
                alias,
                ..
            } => {
                self.query(subquery)?;
                let called = alias
                    .as_ref()
                    .map_or(String::new(), |alias| plain(&alias.name));
                scope.others.push(called);
                Ok(())
            }
            other => Err(refused(&format!("`{other}` in FROM"))),
        }
    }

    fn join(&mut self, join: &mut JoinOperator) -> Result<(), SyntaxError> {
        use JoinOperator::{
            Anti, CrossJoin, FullOuter, Inner, Join, Left, LeftAnti, LeftOuter, LeftSemi, Right,
            RightAnti, RightOuter, RightSemi, Semi,
        };
        match join {
            Join(on) | Inner(on) | Left(on) | LeftOuter(on) | Right(on) | RightOuter(on)
            | FullOuter(on) | CrossJoin(on) | Semi(on) | LeftSemi(on) | RightSemi(on)
            | Anti(on) | LeftAnti(on) | RightAnti(on) => match on {
                JoinConstraint::On(condition) => self.expr(condition, None),
                JoinConstraint::None => Ok(()),
                _ => Err(refused("USING and NATURAL; write ON")),
            },
            _ => Err(refused("this kind of JOIN")),
        }
    }

    /// A column of the answer keeps the name that its author wrote.
    fn item(
        &mut self,
        item: SelectItem,
        projection: &mut Vec<SelectItem>,
    ) -> Result<(), SyntaxError> {
        let several = self
            .scopes
            .last()
            .is_some_and(|scope| scope.relations() > 1);
        match item {
            SelectItem::UnnamedExpr(mut expr) => {
                let written = expr.clone();
                let name = self.written(&expr, several);
                self.expr(&mut expr, None)?;
                let foreign = matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_))
                    && expr == written;
                projection.push(if foreign {
                    SelectItem::UnnamedExpr(expr)
                } else {
                    let alias = Ident::with_quote('"', name);
                    SelectItem::ExprWithAlias { expr, alias }
                });
            }
            SelectItem::ExprWithAlias { mut expr, alias } => {
                self.expr(&mut expr, None)?;
                projection.push(SelectItem::ExprWithAlias { expr, alias });
            }
            SelectItem::Wildcard(options) => {
                let Some(scope) = self.scopes.last().filter(|scope| !scope.spans.is_empty()) else {
                    projection.push(SelectItem::Wildcard(options));
                    return Ok(());
                };
                everything(&options)?;
                if !scope.others.is_empty() {
                    return Err(refused("`*` over several tables; name the columns"));
                }
                for table in &scope.spans {
                    projection.extend(whole(table, several));
                }
            }
            SelectItem::QualifiedWildcard(kind, options) => {
                let SelectItemQualifiedWildcardKind::ObjectName(name) = &kind else {
                    return Err(refused(&format!("`{kind}`")));
                };
                let called = name.to_string().to_ascii_lowercase();
                let called = called.trim_matches('"');
                let spans = self.scopes.last().map_or(&[][..], |scope| &scope.spans);
                match spans.iter().find(|table| *table == called) {
                    Some(table) => {
                        everything(&options)?;
                        projection.extend(whole(table, several));
                    }
                    None => projection.push(SelectItem::QualifiedWildcard(kind, options)),
                }
            }
            other => return Err(refused(&format!("`{other}`"))),
        }
        Ok(())
    }

    fn written(&self, expr: &Expr, several: bool) -> String {
        match expr {
            Expr::Identifier(ident) => ident.value.clone(),
            Expr::CompoundIdentifier(idents) if !several => {
                let parts: Vec<Part> = idents.iter().map(Part::from).collect();
                let skip = usize::from(self.table_of(&parts).is_some());
                let words = parts.iter().skip(skip).map(|part| part.text.as_str());
                words.collect::<Vec<_>>().join(".")
            }
            other => other.to_string(),
        }
    }

    /// The column of the answer that an expression of ORDER BY stands for.
    fn answered(&self, expr: &Expr) -> Option<String> {
        find(&self.scopes.last()?.outputs, expr)
    }

    /// What `spans` is called by the first part of a name.
    pub(super) fn table_of(&self, parts: &[Part]) -> Option<String> {
        let (first, rest) = parts.split_first()?;
        if rest.is_empty() {
            return None;
        }
        let tables = self.scopes.iter().rev().flat_map(|scope| &scope.spans);
        tables.into_iter().find(|table| first.is(table)).cloned()
    }

    /// Whether a name belongs to another table, so that it is left as it is.
    pub(super) fn is_foreign(&self, parts: &[Part]) -> bool {
        let (Some(scope), Some(first)) = (self.scopes.last(), parts.first()) else {
            return false;
        };
        let mut others = self.scopes.iter().flat_map(|scope| &scope.others);
        scope.spans.is_empty() || (parts.len() > 1 && others.any(|table| first.is(table)))
    }

    /// Whether a name that spans do not have may be that of another table or of the answer.
    pub(super) fn may_be_foreign(&self, parts: &[Part]) -> bool {
        let (Some(scope), [part]) = (self.scopes.last(), parts) else {
            return false;
        };
        !scope.others.is_empty() || scope.aliases.iter().any(|alias| part.is(alias))
    }
}

/// Everything that `*` stands for.
fn whole(table: &str, several: bool) -> impl Iterator<Item = SelectItem> {
    let columns = Column::STANDARD.into_iter().chain([Column::Attributes]);
    columns.map(move |column| {
        let name = column.name();
        let expr = Expr::CompoundIdentifier(vec![
            Ident::with_quote('"', table),
            Ident::with_quote('"', name.clone()),
        ]);
        let alias = if several {
            format!("{table}.{name}")
        } else {
            name
        };
        let alias = Ident::with_quote('"', alias);
        SelectItem::ExprWithAlias { expr, alias }
    })
}

fn everything(options: &WildcardAdditionalOptions) -> Result<(), SyntaxError> {
    let plain = options.opt_ilike.is_none()
        && options.opt_exclude.is_none()
        && options.opt_except.is_none()
        && options.opt_replace.is_none()
        && options.opt_rename.is_none();
    if plain {
        return Ok(());
    }
    Err(refused("`*` with exceptions; name the columns"))
}

#[cfg(test)]
mod tests;
