//! Standards owed to no single matter: "80 % of calls answered within 2 minutes" (A5 to A8).
