"""The event contracts: types, codec, schema export."""
