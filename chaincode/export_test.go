package main

// Run gives tests the program.
var Run = run
