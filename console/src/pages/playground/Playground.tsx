import { Button, Group, NumberInput, Select, Stack, Text, Textarea } from '@mantine/core';
import { IconPlayerPlay, IconPlayerStop } from '@tabler/icons-react';
import { useState } from 'react';
import { useModels } from '../../session/models';
import { NoProjects } from '../../session/NoProjects';
import { useHasNoProject, useProject } from '../../session/project';
import { ProjectSelect } from '../../session/ProjectSelect';
import { CALLS_NOTHING, useMayCall } from '../../session/standing';
import { Card } from '../../ui/Card';
import { Copyable } from '../../ui/Copyable';
import { Page } from '../../ui/Page';
import { Problem } from '../../ui/Problem';
import { Answer } from './Answer';
import { requestOf, type Asked } from './request';
import { useChat } from './useChat';
import classes from './Playground.module.css';

const NOTHING: Asked = {
  system: '',
  message: 'Hello World',
  temperature: '',
  maxTokens: 512,
};

/** Talks to a model as a program would, and shows what it took. */
export default function Playground() {
  const project = useProject();
  const mayCall = useMayCall(project);
  const hasNoProject = useHasNoProject();
  const models = useModels(project);
  const [chosen, setChosen] = useState<string | null>(null);
  const [asked, setAsked] = useState(NOTHING);
  const chat = useChat(project);
  const model = chosen ?? models.data?.[0] ?? null;
  const set = (change: Partial<Asked>) => {
    setAsked({ ...asked, ...change });
  };
  const send = () => {
    if (mayCall && model !== null) void chat.send(requestOf(model, asked));
  };
  if (hasNoProject) {
    return (
      <Page title="Playground">
        <NoProjects />
      </Page>
    );
  }
  return (
    <Page
      title="Playground"
      lead="Calls are real and cost what they cost. The key it uses is made for this page and ends with it."
    >
      <div className={classes.columns}>
        <Card title="Ask">
          <Stack gap="md">
            <ProjectSelect />
            <Select
              label="Model"
              data={models.data ?? []}
              value={model}
              allowDeselect={false}
              onChange={setChosen}
            />
            <Textarea
              label="System message"
              autosize
              minRows={2}
              maxRows={8}
              value={asked.system}
              onChange={(event) => {
                set({ system: event.currentTarget.value });
              }}
            />
            <Textarea
              label="Your message"
              autosize
              minRows={3}
              maxRows={12}
              value={asked.message}
              onChange={(event) => {
                set({ message: event.currentTarget.value });
              }}
              onKeyDown={(event) => {
                if (event.key === 'Enter' && (event.metaKey || event.ctrlKey)) send();
              }}
            />
            <Group grow>
              <NumberInput
                label="Temperature"
                placeholder="The model’s own"
                min={0}
                max={2}
                step={0.1}
                value={asked.temperature}
                onChange={(value) => {
                  set({ temperature: typeof value === 'number' ? value : '' });
                }}
              />
              <NumberInput
                label="Most output tokens"
                min={1}
                allowDecimal={false}
                value={asked.maxTokens}
                onChange={(value) => {
                  set({ maxTokens: typeof value === 'number' ? value : '' });
                }}
              />
            </Group>
            <Group>
              {chat.isRunning ? (
                <Button
                  color="red"
                  leftSection={<IconPlayerStop size={16} />}
                  onClick={chat.stop}
                >
                  Stop
                </Button>
              ) : (
                <Button
                  leftSection={<IconPlayerPlay size={16} />}
                  disabled={!mayCall || model === null || asked.message.trim() === ''}
                  onClick={send}
                >
                  Send
                </Button>
              )}
              <Text size="xs" c="dimmed">
                {mayCall === false ? CALLS_NOTHING : 'Ctrl and Enter send, too.'}
              </Text>
            </Group>
            <Problem text={chat.problem} />
          </Stack>
        </Card>
        <Stack gap="lg">
          <Card title="Answer">
            <Answer of={chat} />
          </Card>
          {model !== null && (
            <Card title="View code">
              <Copyable name="Python program" text={programOf(requestOf(model, asked))} />
            </Card>
          )}
        </Stack>
      </div>
    </Page>
  );
}

function programOf(request: object): string {
  const values = Object.entries(request).map(
    ([name, value]) => `    ${name}=${JSON.stringify(value, null, 4).replaceAll('\n', '\n    ')},`,
  );
  return `import os
from openai import OpenAI

client = OpenAI(
    base_url="${window.location.origin}/v1",
    api_key=os.environ["FAREBOX_API_KEY"],
)
answer = client.chat.completions.create(
${values.join('\n')}
)
print(answer.choices[0].message.content)`;
}
