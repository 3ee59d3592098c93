//! A small declaration for the examples of this door.

use domain::declaration::Declaration;

pub(crate) fn declaration() -> Declaration {
    serde_json::from_value(serde_json::json!({
        "organisation": {
            "slug": "quebec",
            "jurisdiction": "ville.quebec.qc.ca",
            "name": { "fr": "Ville de Québec", "en": "Québec City" },
            "contact": { "fr": "311, du lundi au vendredi", "en": "311, Monday to Friday" }
        },
        "version": "2024-1",
        "effective_from": "2024-01-01",
        "source": "Plan directeur",
        "calendar": { "version": "quebec-2024-1", "zone": "America/Toronto", "hours": [] },
        "channels": [{ "code": "app", "label": { "fr": "Application", "en": "App" }, "open311": true }],
        "products": [
            {
                "code": "drinking_water",
                "label": { "fr": "Eau potable", "en": "Drinking water" },
                "description": { "fr": "Goût, odeur ou couleur", "en": "Taste, odour or colour" },
                "group": { "fr": "Eau", "en": "Water" },
                "keywords": ["eau", "goût"],
                "questions": [
                    { "code": "read_first", "text": { "fr": "Ouvrez d’abord le robinet.", "en": "First open the tap." }, "kind": "notice" },
                    {
                        "code": "problem",
                        "text": { "fr": "Quel est le problème?", "en": "What is the problem?" },
                        "kind": "single_value_list",
                        "required": true,
                        "choices": [
                            { "key": "taste_odour", "label": { "fr": "Goût et odeur", "en": "Taste and odour" }, "precision": "taste_odour" },
                            { "key": "ill", "label": { "fr": "Une personne malade", "en": "Somebody ill" }, "emergency": "life" }
                        ]
                    },
                    {
                        "code": "since",
                        "text": { "fr": "Depuis quand?", "en": "Since when?" },
                        "hint": { "fr": "Date et heure", "en": "Date and time" },
                        "kind": "datetime",
                        "required": true,
                        "when": { "question": "problem", "any_of": ["taste_odour"] }
                    }
                ]
            },
            { "code": "graffiti", "label": { "fr": "Graffiti <mur>", "en": "Graffiti <wall>" } }
        ]
    }))
    .expect("a declaration")
}
