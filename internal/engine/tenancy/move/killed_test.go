package move

const childVariable = "GARANT_MOVE_CHILD"

func child() int { return 0 }
