import { Empty } from '../ui/States';

/** What stands where something of a project would be, for those who are in none. */
export function NoProjects() {
  return (
    <Empty title="You are in no project" text="Keys and calls belong to one: an owner can add you." />
  );
}
