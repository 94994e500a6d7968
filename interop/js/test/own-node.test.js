import { runScenarios } from "../scenarios.js";
import { ownInNode } from "../sides.js";

runScenarios(ownInNode);
