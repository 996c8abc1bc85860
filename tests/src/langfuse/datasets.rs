//! Datasets and their items, with every state that an item had.

use serde_json::{Value, json};

use super::oracle::Call;
use super::store::{Answer, PROJECT, Reply, Store, bad, counted, ok, read, text, written};

impl Store {
    /// Make a dataset, or change the one of its name.
    pub(super) fn take_dataset(&mut self, body: &Value) -> Answer {
        let now = written(self.now());
        let member = |key: &str| body.get(key).cloned().unwrap_or_default();
        let same = |it: &&mut Value| it.get("name") == body.get("name");
        if let Some(there) = self.datasets.iter_mut().find(same)
            && let Some(members) = there.as_object_mut()
        {
            members.insert("description".to_owned(), member("description"));
            members.insert("metadata".to_owned(), member("metadata"));
            members.insert("updatedAt".to_owned(), json!(now));
            return ok(there.clone());
        }
        let dataset = json!({
            "id": format!("dataset-{}", self.datasets.len()), "name": member("name"),
            "description": member("description"), "metadata": member("metadata"),
            "inputSchema": null, "expectedOutputSchema": null, "projectId": PROJECT,
            "createdAt": now, "updatedAt": now,
        });
        self.datasets.push(dataset.clone());
        ok(dataset)
    }

    /// The datasets, newest first.
    pub(super) fn list_datasets(&self, call: &Call) -> Answer {
        counted(call, self.datasets.iter().rev().cloned().collect())
    }

    /// One dataset.
    pub(super) fn dataset(&self, call: &Call) -> Answer {
        let name = call.text("datasetName").unwrap_or_default();
        self.dataset_named(name).and_then(|it| ok(it.clone()))
    }

    fn dataset_named(&self, name: &str) -> Result<&Value, Reply> {
        let found = self
            .datasets
            .iter()
            .find(|it| text(it, "name") == Some(name));
        found.ok_or_else(|| Reply::refusal(404, "Dataset not found"))
    }

    /// Keep an item, over the one of its id.
    pub(super) fn take_item(&mut self, body: &Value) -> Answer {
        let now = self.now();
        let name = text(body, "datasetName").unwrap_or_default();
        let dataset = self.dataset_named(name)?.get("id").cloned();
        let id = match text(body, "id") {
            Some(id) => id.to_owned(),
            None => format!("item-{now}"),
        };
        let before = self
            .items
            .iter()
            .rev()
            .find(|(_, it)| text(it, "id") == Some(&id));
        if before.is_some_and(|(_, it)| text(it, "datasetName") != Some(name)) {
            return Err(Reply::refusal(
                404,
                "an item of this id is in another dataset",
            ));
        }
        let created = before.and_then(|(_, it)| text(it, "createdAt").map(str::to_owned));
        let member = |key: &str| body.get(key).cloned().unwrap_or_default();
        let item = json!({
            "id": id, "status": text(body, "status").unwrap_or("ACTIVE"),
            "input": member("input"), "expectedOutput": member("expectedOutput"),
            "metadata": member("metadata"), "sourceTraceId": null, "sourceObservationId": null,
            "datasetId": dataset, "datasetName": name, "mediaReferences": [],
            "createdAt": created.unwrap_or_else(|| written(now)), "updatedAt": written(now),
        });
        self.items.push((now, item.clone()));
        ok(item)
    }

    /// The items of a dataset as they are, or were at a time, newest first.
    pub(super) fn list_items(&self, call: &Call) -> Answer {
        let name = call.text("datasetName");
        let until = match (call.text("version"), name) {
            (None, _) => i64::MAX,
            (Some(_), None) => return Err(bad("a version wants a datasetName")),
            (Some(version), Some(_)) => read(version).ok_or_else(|| bad("no time"))?,
        };
        if let Some(name) = name {
            self.dataset_named(name)?;
        }
        let mut items: Vec<Value> = Vec::new();
        for (since, item) in self.items.iter().rev() {
            let is_wanted =
                *since <= until && name.is_none_or(|it| text(item, "datasetName") == Some(it));
            if is_wanted && !items.iter().any(|it| it.get("id") == item.get("id")) {
                items.push(item.clone());
            }
        }
        counted(call, items)
    }
}
