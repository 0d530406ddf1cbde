# Give a stack this label, and nothing touches it: its step, and every step that follows from it,
# is denied before a worker plans it.
policy "frozen" {
  match { labels = ["frozen:true"] }
  deny { reason = "the stack has the label frozen:true; take it off to go on" }
}
