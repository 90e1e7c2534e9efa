#!/usr/bin/env node
// Committed beside the build, so that installing links the command before anything is built.
import '../dist/bundle/main.js';
