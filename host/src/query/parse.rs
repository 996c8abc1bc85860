//! From text to syntax trees, within limits that no person meets and no hostile text passes.

use datafusion::sql::sqlparser::ast::{Expr, Query, Statement};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use super::error::SyntaxError;

/// The longest text, in bytes: room for a list of some thousand ids.
const MAX_BYTES: usize = 256 << 10;

/// The most operators: what comes after must walk a tree as deep as this.
const MAX_OPERATORS: usize = 512;

/// How deep parentheses, subqueries and functions are nested at the most.
const MAX_DEPTH: usize = 40;

/// The most dots in a name, with what stands in brackets behind it. Where a name does not end well
/// the parser tries twice as long for each.
const MAX_DOTS: usize = 12;

const DIALECT: GenericDialect = GenericDialect {};

/// A boolean expression, or any other.
pub(super) fn expression(text: &str) -> Result<Expr, SyntaxError> {
    let mut parser = parser(text)?;
    let expr = parser.parse_expr().map_err(unreadable)?;
    match parser.peek_token().token {
        Token::EOF => Ok(expr),
        other => Err(SyntaxError::Syntax(format!(
            "`{other}` was not expected after `{}`",
            abbreviated(&expr.to_string())
        ))),
    }
}

/// One `SELECT`.
pub(super) fn query(text: &str) -> Result<Query, SyntaxError> {
    let only = "only one SELECT statement is run; nothing here changes or reads anything else";
    let mut parser = parser(text)?;
    let mut statements = parser.parse_statements().map_err(unreadable)?;
    match (statements.pop(), statements.is_empty()) {
        (Some(Statement::Query(query)), true) => Ok(*query),
        _ => Err(SyntaxError::Refused(only.to_owned())),
    }
}

/// An expression of our own making.
pub(super) fn own(text: &str) -> Result<Expr, SyntaxError> {
    let parser = Parser::new(&DIALECT).try_with_sql(text);
    parser
        .and_then(|mut parser| parser.parse_expr())
        .map_err(unreadable)
}

/// The beginning of a text, for messages.
pub(super) fn abbreviated(text: &str) -> String {
    const SHOWN: usize = 120;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn parser(text: &str) -> Result<Parser<'static>, SyntaxError> {
    if text.len() > MAX_BYTES {
        return Err(SyntaxError::TooLong {
            what: "bytes",
            limit: MAX_BYTES,
        });
    }
    let tokens = Tokenizer::new(&DIALECT, text).tokenize_with_location();
    let tokens = tokens.map_err(|why| SyntaxError::Syntax(why.to_string()))?;
    let operators = tokens.iter().filter(|token| is_operator(&token.token));
    if operators.count() > MAX_OPERATORS {
        return Err(SyntaxError::TooLong {
            what: "operators",
            limit: MAX_OPERATORS,
        });
    }
    if longest_name(tokens.iter().map(|token| &token.token)) > MAX_DOTS {
        return Err(SyntaxError::TooLong {
            what: "dots in a name",
            limit: MAX_DOTS,
        });
    }
    Ok(Parser::new(&DIALECT)
        .with_recursion_limit(MAX_DEPTH)
        .with_tokens_with_locations(tokens))
}

/// The most dots of any name. One begins with a word that follows no dot, outside of brackets.
fn longest_name<'t>(tokens: impl Iterator<Item = &'t Token>) -> usize {
    let (mut most, mut dots, mut brackets) = (0, 0, 0_usize);
    let mut after_dot = false;
    for token in tokens {
        match token {
            Token::Whitespace(_) => continue,
            Token::Period => dots += 1,
            Token::LBracket => brackets += 1,
            Token::RBracket => brackets = brackets.saturating_sub(1),
            Token::Word(_) if brackets == 0 && !after_dot => dots = 0,
            _ => {}
        }
        after_dot = *token == Token::Period;
        most = most.max(dots);
    }
    most
}

/// Whether a token makes a tree deeper.
fn is_operator(token: &Token) -> bool {
    match token {
        Token::Word(word) => matches!(
            word.keyword,
            Keyword::AND
                | Keyword::OR
                | Keyword::XOR
                | Keyword::NOT
                | Keyword::IS
                | Keyword::IN
                | Keyword::LIKE
                | Keyword::ILIKE
                | Keyword::BETWEEN
                | Keyword::CASE
                | Keyword::SELECT
                | Keyword::UNION
                | Keyword::INTERSECT
                | Keyword::EXCEPT
                | Keyword::JOIN
        ),
        Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::Whitespace(_)
        | Token::Comma
        | Token::Period
        | Token::LParen
        | Token::RParen
        | Token::LBracket
        | Token::RBracket
        | Token::SemiColon
        | Token::EOF => false,
        _ => true,
    }
}

fn unreadable(why: ParserError) -> SyntaxError {
    match why {
        ParserError::RecursionLimitExceeded => SyntaxError::TooLong {
            what: "nested parentheses",
            limit: MAX_DEPTH,
        },
        ParserError::TokenizerError(why) | ParserError::ParserError(why) => {
            SyntaxError::Syntax(why)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Found by fuzzing: each dot more took the parser twice as long.
    #[test]
    fn names_of_many_dots_are_refused_before_they_are_parsed() {
        let long = "a.".repeat(40);
        let in_brackets = "a.a.a.a.a[x > 1].".repeat(6);
        let with_texts = "a.a.a.a.a.'x'.".repeat(6);
        for text in [&long, &in_brackets, &with_texts] {
            let refused = expression(text);
            let what = "dots in a name";
            assert!(
                matches!(refused, Err(SyntaxError::TooLong { what: said, .. }) if said == what),
                "{refused:?}"
            );
        }
        let usual = "attributes.llm.token_count.prompt > a.b AND c.d = coalesce(e.f, g.h, i.j)";
        assert!(expression(&[usual; 9].join(" OR ")).is_ok());
    }
}
