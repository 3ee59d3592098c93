//! Parameters as GeoReport defines them: an empty one is absent, names repeat, lists have commas.

/// Form fields first, then those of the query: a client that puts `jurisdiction_id` there on a POST is understood.
#[derive(Clone, Default)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    pub(crate) fn new(form: Vec<(String, String)>, query: Vec<(String, String)>) -> Self {
        let present = form.into_iter().chain(query).filter(|(_, value)| !value.trim().is_empty());
        Self(present.collect())
    }

    /// What an operation key is good for: everything that was said, but for the key that said it.
    pub(crate) fn content(&self) -> Vec<u8> {
        let said: Vec<_> = self.0.iter().filter(|(name, _)| name != "api_key").collect();
        serde_json::to_vec(&said).expect("pairs of texts are always JSON")
    }

    /// The first value that is not blank.
    pub(crate) fn one(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.trim())
    }

    pub(crate) fn owned(&self, name: &str) -> Option<String> {
        self.one(name).map(str::to_owned)
    }

    /// The items of a comma list, blanks left out; none if the parameter is absent.
    pub(crate) fn list(&self, name: &str) -> Option<Vec<&str>> {
        self.one(name).map(|text| text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect())
    }

    /// `attribute[X]=a`, repeated or not, and `attribute[X][]=a`: code and values, in the order of first mention.
    pub(crate) fn attributes(&self) -> Vec<(String, Vec<String>)> {
        let mut found: Vec<(String, Vec<String>)> = Vec::new();
        for (name, value) in &self.0 {
            let Some(code) = attribute(name) else { continue };
            match found.iter_mut().find(|(known, _)| *known == code) {
                Some((_, values)) => values.push(value.clone()),
                None => found.push((code.to_owned(), vec![value.clone()])),
            }
        }
        found
    }
}

fn attribute(name: &str) -> Option<&str> {
    let inner = name.strip_prefix("attribute[")?;
    let code = inner.strip_suffix("][]").or_else(|| inner.strip_suffix(']'))?;
    (!code.is_empty()).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(pairs: &[(&str, &str)]) -> Params {
        Params::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(), Vec::new())
    }

    #[test]
    fn an_empty_parameter_is_absent() {
        let params = params(&[("page", ""), ("status", "  "), ("lat", " 46.8 ")]);
        assert_eq!(params.one("page"), None);
        assert_eq!(params.list("status"), None);
        assert_eq!(params.one("lat"), Some("46.8"));
    }

    #[test]
    fn the_form_goes_before_the_query() {
        let pair = |value: &str| vec![("jurisdiction_id".to_owned(), value.to_owned())];
        assert_eq!(Params::new(pair("a"), pair("b")).one("jurisdiction_id"), Some("a"));
        assert_eq!(Params::new(Vec::new(), pair("b")).one("jurisdiction_id"), Some("b"));
    }

    #[test]
    fn attributes_come_in_three_spellings_and_blank_ones_are_absent() {
        let params = params(&[
            ("attribute[A][]", "1"),
            ("attribute[B]", "x"),
            ("attribute[A][]", "2"),
            ("attribute[C]", "p"),
            ("attribute[C]", "q"),
            ("attribute[shape]", ""),
            ("attribute[]", "lost"),
            ("attribute", "lost"),
        ]);
        let expected = [("A", vec!["1", "2"]), ("B", vec!["x"]), ("C", vec!["p", "q"])];
        let expected: Vec<(String, Vec<String>)> = expected
            .into_iter()
            .map(|(code, values)| (code.to_owned(), values.into_iter().map(str::to_owned).collect()))
            .collect();
        assert_eq!(params.attributes(), expected);
    }

    #[test]
    fn a_list_has_commas() {
        assert_eq!(params(&[("status", "open, closed,")]).list("status"), Some(vec!["open", "closed"]));
    }
}
