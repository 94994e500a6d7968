import { runScenarios } from "../scenarios.js";
import { oldInNode } from "../sides.js";

runScenarios(oldInNode);
