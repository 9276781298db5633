"""The live terminal table: KPI values read from the KPI topic, shown in a person's units."""
