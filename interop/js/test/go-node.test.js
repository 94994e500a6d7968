import { goServers } from "../go-servers.js";
import { runScenarios } from "../scenarios.js";
import { ownInNode } from "../sides.js";

for (const server of goServers()) runScenarios(ownInNode, server);
