"""All series of a business under watch: from final KPI values to judged ones."""
