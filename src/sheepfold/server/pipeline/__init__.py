"""After X do Y: the only place that joins the stages and that enqueues jobs."""
